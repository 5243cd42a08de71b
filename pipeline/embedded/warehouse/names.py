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

# Table functions whose first argument may be a structure, given as a string.
STRUCTURED = words("format generaterandom input null values")
