"""Spark with Delta: the reference implementation; reads, writes, and runs any SQL.

LAKEWRIGHT_SPARK_JARS is the folder of jars that PySpark does not bring: Delta and S3A.
"""

import os

import canonical
import pyspark
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType
from serve import serve, without_commit_time

spark = (
    SparkSession.builder.master("local[2]")
    .appName("lakewright")
    .config("spark.driver.extraClassPath", os.environ["LAKEWRIGHT_SPARK_JARS"] + "/*")
    .config("spark.driver.memory", "2g")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.local.dir", os.getcwd())
    .config("spark.sql.warehouse.dir", os.path.join(os.getcwd(), "warehouse"))
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.sql.session.timeZone", "UTC")
    # Small tables on two cores: the defaults are for clusters and long runs. Code generation stays on, although its
    # compiling is half of the time: without it Spark takes another Parquet reader than users have.
    .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.databricks.delta.snapshotPartitions", "2")
    .getOrCreate()
)


def read(request):
    version = request.get("version")
    options = {} if version is None else {"versionAsOf": version}
    return collect(spark.read.format("delta").options(**options).load(url(request)))


def cdf(request):
    options = {"readChangeFeed": "true", "startingVersion": request["since"] + 1}
    if request.get("until") is not None:
        options["endingVersion"] = request["until"]
    feed = spark.read.format("delta").options(**options).load(url(request))
    return canonical.rows(without_commit_time(feed.toArrow()))


def append(request):
    writer(request).mode("append").save(url(request))


def create(request):
    writer(request).partitionBy(*request["partitionBy"]).options(**request["properties"]).save(url(request))


def sql(request):
    """`{t}` in the statement is the table at the request's url."""
    statement = request["sql"]
    if request.get("url"):
        statement = statement.replace("{t}", f"delta.`{url(request)}`")
    return collect(spark.sql(statement))


def writer(request):
    schema = StructType.fromJson(request["schema"])
    return spark.createDataFrame(canonical.decode_rows(request), schema).coalesce(1).write.format("delta")


def collect(frame):
    return canonical.rows(frame.toArrow())


def url(request):
    connect(request)
    return request["url"].replace("s3://", "s3a://", 1)


def connect(request):
    """Let S3A reach the server of this request."""
    s3 = request.get("s3")
    if not s3:
        return
    # The file systems that Hadoop keeps open would go on asking the server they were made for.
    settings = spark.sparkContext._jsc.hadoopConfiguration()
    for name, value in {
        "fs.s3a.impl.disable.cache": "true",
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.endpoint": s3["endpoint"],
        "fs.s3a.endpoint.region": s3["region"],
        "fs.s3a.access.key": s3["accessKeyId"],
        "fs.s3a.secret.key": s3["secretAccessKey"],
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    }.items():
        settings.set(name, value)


serve(pyspark.__version__, {"read": read, "cdf": cdf, "append": append, "create": create, "sql": sql})
