"""The package devise-spark: `import devise_lib`, and what it needs."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "([^"]+)"$',
    (ROOT / "devise_lib" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
)
if VERSION is None:
    raise SystemExit('devise_lib/__init__.py has no line __version__ = "..."')

README = ROOT / "README.md"

setup(
    name="devise-spark",
    version=VERSION[1],
    description="Places photos in the space of words (DeViSE) on Spark, and searches that space",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_namespace_packages(
        include=["devise_lib", "devise_lib.*"], exclude=["*.__pycache__"]
    ),
    package_data={"": ["py.typed", "*.j2", "*.css", "*.js", "*.sql", "*.toml"]},
    install_requires=[
        # Spark 4.1 wants pyarrow >= 15, and the newest delta-spark pairs with it.
        "pyspark==4.0.5",
        "delta-spark==4.0.1",
        # Petastorm reads with pyarrow <= 14.0.2 only, which wants numpy < 2.
        "petastorm==0.13.1",
        "pyarrow==14.0.2",
        "numpy<2",
        "pandas==2.2.3",
        "setuptools<70",  # Petastorm imports pkg_resources
        # TensorFlow itself comes by an extra: tensorflow-cpu or tensorflow with CUDA.
        "keras==3.15.*",
        "ml-dtypes<0.6",  # 0.6 wants numpy 2
        "h5py",
        # Does not compile against TensorFlow 2.21 as it comes: see CONTRIBUTING.md.
        "horovod==0.28.1",
        "gensim==4.4.0",
        "datasketch==2.0.0",
        "icu4py",  # cuts scripts without blanks into words; its wheels bring ICU
        "regex",  # Unicode's properties
        "scipy",  # rank correlation of the word tests
        "mlflow==3.17.*",
        "pydantic>=2",
        "pillow",
        "matplotlib",
        "deltalake",
        "jinja2",
        "filelock>=4.3",  # one run of a job at a time
        "tenacity",  # commits that another job's commit refused
        "fsspec",  # files of object stores
    ],
    extras_require={
        "cpu": ["tensorflow-cpu==2.21.*", "faiss-cpu==1.15.1"],
        "gpu": ["tensorflow[and-cuda]==2.21.*", "faiss-gpu==1.15.1"],
        "s3": ["s3fs", "boto3"],
        "gs": ["gcsfs"],
        "azure": ["adlfs"],
        "dev": [
            "pytest",
            "pytest-cov",
            "pytest-xdist",
            "hypothesis",
            "ruff",
            "mypy",
            "uv",
            "mwparserfromhell",  # the oracle of the wikitext tests
            # Readers of the tables, as users have them.
            "polars",
            "duckdb<2",  # 2.0 filters datasets by what pyarrow 14 has not
            # An S3 server on this machine. Its extra "server" is for all services of AWS.
            "moto[s3]",
            "flask",
            "flask-cors",
            # Run the notebooks as a user does, each in a kernel of its own.
            "nbclient",
            "ipykernel",
            "playwright",  # drives the Chromium of the machine, which opens the report in the tests
            "tensorboard",  # shows the curves; TensorFlow 2.21 no longer brings it
            # What building Horovod without isolation takes.
            "cmake<4",
            "wheel",
            "cffi",
            "cloudpickle",
            "psutil",
            "pyyaml",
        ],
    },
)
