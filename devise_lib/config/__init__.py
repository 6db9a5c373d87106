"""The configuration: one frozen pydantic model per job, the only place where a key is written.

Each model is one table of a configuration file, named after its job. The keys of `types.JobConfig`
stand at the top of the file and reach every job. `registry.JOBS` lists the models, and `loader`
reads files.
"""
