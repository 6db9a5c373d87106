"""Run by spark-submit in the set-up: fetches Delta's jars, proves that they work, names them."""

import sys

from pyspark.sql import SparkSession


def main(folder: str) -> None:
    """Write a Delta table of one row into `folder`, read it back, print "jar PATH" lines."""
    spark = SparkSession.builder.appName("set-up").getOrCreate()
    spark.range(1).write.format("delta").mode("overwrite").save(folder)
    if spark.read.format("delta").load(folder).count() != 1:
        sys.exit("Delta lost the row that was written")
    for jar in spark.conf.get("spark.jars", "").split(","):
        print("jar", jar.removeprefix("file://"))


if __name__ == "__main__":
    main(sys.argv[1])
