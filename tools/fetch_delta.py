"""Run by spark-submit in the set-up: names the jars of the packages that Spark has resolved."""

from pyspark.java_gateway import launch_gateway


def main() -> None:
    """Print "jar PATH" lines."""
    java = launch_gateway().jvm.java.lang.System
    for jar in filter(None, (java.getProperty("spark.jars") or "").split(",")):
        print("jar", jar.removeprefix("file://"))


if __name__ == "__main__":
    main()
