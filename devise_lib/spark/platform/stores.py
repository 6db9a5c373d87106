"""Stores as Spark names them, and as its session has set them.

Spark opens stores by Hadoop, and Python by fsspec. Hadoop's settings are taken over from the
session once per job, so that a user gives them once. They hold keys of stores: they travel with
tasks, and are neither printed nor written to the work folder.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pyspark.sql import SparkSession

from devise_lib.paths import is_remote
from devise_lib.storage.faults import REMEDIES, StoreError, describe
from devise_lib.storage.settings import PREFIXES
from devise_lib.storage.stores import set_store_settings

SECRETS = ("fs.s3a.access.key", "fs.s3a.secret.key", "fs.s3a.session.token")
VAULTS = ("hadoop.security.credential.provider.path", "fs.s3a.security.credential.provider.path")
DEFAULTS = ("core-default.xml", "hdfs-default.xml")  # of Hadoop, where a user has set nothing
# Codes of S3 that Hadoop passes on, and what Hadoop itself calls the faults without a code.
CODES = [name for group in REMEDIES for name in group if not name.isdigit()]
HADOOP_SIGNS = {
    "UnknownStoreException": "NoSuchBucket",
    "AWSRedirectException": "PermanentRedirect",
    "AWSServiceThrottledException": "SlowDown",
    "AWSStatus500Exception": "InternalError",
    "NoAuthWithAWSException": "NoCredentialsError",
    "AccessDeniedException": "AccessDenied",
    "AWSNoResponseException": "EndpointConnectionError",
    "AWSApiCallTimeoutException": "ReadTimeoutError",
    "ConnectTimeoutException": "ConnectTimeoutError",
    "SocketTimeoutException": "ReadTimeoutError",
    "ConnectException": "EndpointConnectionError",
    "Unable to execute HTTP request": "EndpointConnectionError",
}
_S3 = re.compile(r"^s3n?://", re.IGNORECASE)


def spark_path(spark: SparkSession, path: str) -> str:
    """Return a path in the form that Spark takes.

    A local path stays local where the default store is another one (`fs.defaultFS` of a cluster).
    An s3: URI becomes an s3a: URI unless the platform has its own file system for s3:, as EMR and
    Databricks have.
    """
    hadoop = spark._jsc.hadoopConfiguration()
    if is_remote(path):
        is_known = not _S3.match(path) or hadoop.get("fs.s3.impl")
        return path if is_known else _S3.sub("s3a://", path)
    default = hadoop.get("fs.defaultFS", "file:///")
    return path if default.startswith("file:") else f"file:{Path(path).absolute()}"


def connect_stores(spark: SparkSession) -> None:
    """Let this process, and tasks and ranks that it starts, open stores as the session does."""
    set_store_settings(store_settings(spark))


def store_settings(spark: SparkSession) -> dict[str, str]:
    """Return the session's settings of stores, without Hadoop's defaults.

    Secrets may also be in a credential provider, which Hadoop alone can open.
    """
    jvm: Any = spark._jvm
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    writer = jvm.java.io.StringWriter()
    configuration.writeXml(writer)  # one call, because each setting by itself would be one
    found, has_vault = {}, False
    for each in ElementTree.fromstring(writer.toString()):
        name, value = each.findtext("name", ""), each.findtext("value", "")
        sources = [source.text for source in each.findall("source")]
        if sources[-1:] and sources[-1] in DEFAULTS:
            continue
        has_vault = has_vault or (name in VAULTS and bool(value))
        if name.startswith(PREFIXES):
            # The text has variables as they were written.
            found[name] = configuration.get(name) if "${" in value else value
    if has_vault:
        for name in SECRETS:
            if characters := configuration.getPassword(name):
                found[name] = jvm.java.lang.String(characters)
    return found


def store_error_of(error: BaseException) -> StoreError | None:
    """Return the one line for a store's fault that Spark met; None if it was another fault.

    Spark raises what Hadoop says as the text of an exception. Its causes count, its frames do not.
    """
    lines = str(error).splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith(("at ", "... ")))
    if "fs.s3a" not in text and "s3a://" not in text:
        return None
    name = next((name for name in CODES if re.search(rf"\b{name}\b", text)), "")
    if not name:
        name = next((code for sign, code in HADOOP_SIGNS.items() if sign in text), "")
    path = re.search(r"s3a://[^\s:,;)\"']+", text)
    return describe(path[0] if path else "the store", name, error) if name else None
