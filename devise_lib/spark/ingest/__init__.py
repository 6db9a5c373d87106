"""Sources of photos into PHOTOS and QUARANTINE: folders, tars, tables and CIFAR."""
