"""The session, and what it runs on: Java, memory, Python workers, files of any file system."""
