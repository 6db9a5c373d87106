"""Prints the jars of the packages that Spark has resolved; the set-up runs it by spark-submit."""

from pyspark.java_gateway import launch_gateway


def main() -> None:
    """Prints "jar PATH" lines."""
    java = launch_gateway().jvm.java.lang.System
    for jar in filter(None, (java.getProperty("spark.jars") or "").split(",")):
        print("jar", jar.removeprefix("file://"))


if __name__ == "__main__":
    main()
