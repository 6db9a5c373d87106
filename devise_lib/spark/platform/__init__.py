"""The Spark session and what it runs on: Java, memory, Python workers, and files of any store."""
