"""Everything that needs Spark; the only importer of pyspark."""
