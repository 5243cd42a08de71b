"""The pinned engine's names of functions, table engines, tables and settings, sorted by what they can reach."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HARMLESS_TABLE_FUNCTIONS = words(
    """
    format generaterandom generateseries generate_series input loop merge mergetreeanalyzeindexes
    mergetreeanalyzeindexesuuid mergetreecodecblockcounts mergetreeindex mergetreeprojection mergetreetextindex
    dictionary null numbers numbers_mt primes prometheusquery prometheusqueryrange sqlstandardvalues timeseriesdata
    timeseriesmetricfamilies timeseriesmetrics timeseriessamples timeseriesselector timeseriestags values view
    viewexplain viewifpermitted zeros zeros_mt
    """
)

REFUSED_FUNCTIONS = words(
    """
    arrowstream azureblobstorage azureblobstoragecluster azure bigquery cluster clusterallreplicas cosn deltalake
    deltalakeazure deltalakeazurecluster deltalakecluster deltalakelocal deltalakes3 deltalakes3cluster disk eval
    executable filecluster filesystem fuzzjson gcs hdfs hdfscluster hudi hudicluster iceberg
    icebergazure icebergazurecluster icebergcluster iceberghdfs iceberghdfscluster iceberglocal iceberglocalcluster
    icebergs3 icebergs3cluster jdbc mongodb mysql odbc oss paimon paimonazure paimonazurecluster paimoncluster
    paimonhdfs paimonhdfscluster paimonlocal paimons3 paimons3cluster postgresql python redis remote remotesecure s3
    s3cluster sqlite url urlcluster ytsaurus
    """
)

# Scalar functions can be named without being called: `arrayMap(file, …)`, `* APPLY file`.
REFUSED_SCALARS = words(
    """
    addresstoline addresstolinewithinlines addresstosymbol aiclassify aiembed aiextract aifilter aigenerate airedact
    aisimilarity aitranslate catboostevaluate demangle file fuzzquery hascolumnintable
    """
)

ALLOWED_ENGINES = words(
    """
    mergetree replacingmergetree summingmergetree aggregatingmergetree collapsingmergetree
    versionedcollapsingmergetree coalescingmergetree graphitemergetree memory log tinylog stripelog null buffer set
    join merge view materializedview dictionary alias generaterandom timeseries atomic
    """
)

READABLE_SYSTEM_TABLES = words(
    """
    one numbers numbers_mt zeros zeros_mt databases tables columns functions table_functions table_engines formats
    settings data_type_families aggregate_function_combinators collations keywords time_zones build_options
    contributors licenses documentation completions
    """
)

WITHHELD_TABLES = words("audit")
"""Tables of the database that an analyst does not read."""

ANALYST_TABLE_FUNCTIONS = words(
    """
    format generaterandom generateseries generate_series null numbers numbers_mt primes sqlstandardvalues values view
    zeros zeros_mt
    """
)

REFUSED_VERBS = words(
    "ATTACH DETACH BACKUP RESTORE GRANT REVOKE EXECUTE COPY BEGIN COMMIT ROLLBACK MOVE WATCH PARALLEL"
)
ACCESS_ENTITIES = words("USER ROLE QUOTA ROW POLICY PROFILE MASKING COLLECTION WORKLOAD RESOURCE HANDLER")

DATA_TYPES = words(
    """
    array bfloat16 bigint binary bit blob bool boolean byte bytea char character clob date date32 datetime datetime32
    datetime64 dec decimal decimal128 decimal256 decimal32 decimal64 double dynamic enum enum16 enum8 fixed fixedstring
    float float32 float64 geometry inet4 inet6 int int1 int128 int16 int256 int32 int64 int8 integer intervalday
    intervalhour intervalmicrosecond intervalmillisecond intervalminute intervalmonth intervalnanosecond
    intervalquarter intervalsecond intervalweek intervalyear ipv4 ipv6 json linestring longblob longtext lowcardinality
    map mediumblob mediumint mediumtext multilinestring multipoint multipolygon nchar nested nothing nullable numeric
    nvarchar point polygon qbit real ring set signed single smallint string text time time64 timestamp tinyblob tinyint
    tinytext tuple uint128 uint16 uint256 uint32 uint64 uint8 unsigned uuid varbinary varchar varchar2 variant year
    """
)
"""Types of one word that stand in a structure. AggregateFunction is none of them: its arguments name functions."""

ALLOWED_FORMATS = words(
    """
    arrow arrowstream avro bsoneachrow csv csvwithnames csvwithnamesandtypes customseparated
    customseparatedignorespaces customseparatedignorespaceswithnames customseparatedignorespaceswithnamesandtypes
    customseparatedwithnames customseparatedwithnamesandtypes form geojson hash hivetext json jsonasobject jsonasstring
    jsoncolumns jsoncolumnswithmetadata jsoncompact jsoncompactcolumns jsoncompacteachrow jsoncompacteachrowwithnames
    jsoncompacteachrowwithnamesandtypes jsoncompacteachrowwithprogress jsoncompactstrings jsoncompactstringseachrow
    jsoncompactstringseachrowwithnames jsoncompactstringseachrowwithnamesandtypes jsoncompactstringseachrowwithprogress
    jsoneachrow jsoneachrowwithprogress jsonl jsonlines jsonobjecteachrow jsonstrings jsonstringseachrow
    jsonstringseachrowwithprogress lineasstring lineasstringwithnames lineasstringwithnamesandtypes markdown md msgpack
    native ndjson npy null orc parquet png pretty prettycompact prettycompactmonoblock prettycompactnoescapes
    prettycompactnoescapesmonoblock prettyjsoneachrow prettyjsonlines prettymonoblock prettyndjson prettynoescapes
    prettynoescapesmonoblock prettyspace prettyspacemonoblock prettyspacenoescapes prettyspacenoescapesmonoblock
    prometheus raw rawblob rawwithnames rawwithnamesandtypes regexp rowbinary rowbinarywithdefaults rowbinarywithnames
    rowbinarywithnamesandtypes rowbinarywithnamesandtypesanddefaults sqlinsert tabseparated tabseparatedraw
    tabseparatedrawwithnames tabseparatedrawwithnamesandtypes tabseparatedwithnames tabseparatedwithnamesandtypes tskv
    tsv tsvraw tsvrawwithnames tsvrawwithnamesandtypes tsvwithnames tsvwithnamesandtypes values vertical xml
    """
)

REFUSED_FORMATS = words(
    """
    avroconfluent buffers dwarf mysqldump mysqlwire odbcdriver2 one parquetmetadata postgresqlwire protobuf
    protobuflist protobufsingle puffin puffinmetadata template templateignorespaces
    """
)
"""Formats that need a file or a host beside the data, or are another protocol's."""

# Table functions whose first argument may be a structure, given as a string.
STRUCTURED = words("format generaterandom input null values")
