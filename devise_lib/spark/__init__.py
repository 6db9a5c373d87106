"""Everything that needs Spark, by stage of the flow: only it and the jobs import pyspark."""
