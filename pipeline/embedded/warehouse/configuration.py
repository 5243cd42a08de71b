"""The engine's config.xml and users.xml, written anew at each start: bounds, logs, and what it is granted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from pipeline.embedded.warehouse import profile
from pipeline.embedded.warehouse.names import READABLE_SYSTEM_TABLES, WITHHELD_TABLES
from pipeline.embedded.warehouse.settings import MIB, Limits

OWNER_ROLE = "owner"

_CONFIG = """\
<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>{mark_cache}</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <!-- A pooled engine thread keeps three descriptors open. -->
  <max_thread_pool_free_size>16</max_thread_pool_free_size>
  <access_control_improvements>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
    <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
  </access_control_improvements>
  <users_config>{users}</users_config>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <ttl>event_date + INTERVAL {log_days} DAY DELETE</ttl>
    <flush_interval_milliseconds>5000</flush_interval_milliseconds>
  </query_log>
</clickhouse>
"""

_USERS = """\
<clickhouse>
  <profiles><default><implicit_select>0</implicit_select><readonly>0</readonly></default>{reader}</profiles>
  <quotas><default/></quotas>
  <roles>
    <{owner}>
      <grants>
        <query>GRANT ALL ON *.*</query>
        <query>REVOKE SOURCES ON *.*</query>
      </grants>
    </{owner}>
  </roles>
  <users>
    <default>
      <password></password>
      <networks><ip>::1</ip><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
{grants}
      </grants>
    </default>
  </users>
</clickhouse>
"""


def write_configuration(directory: Path, database: str, limits: Limits, settings: Mapping[str, str]) -> Path:
    """Writes both files into `directory` and returns config.xml's path. `settings` are all that the engine has, with
    its own values.

    The engine knows one user. What it is granted itself is what an analyst may do; the owner's rights are a role,
    active unless a request gives it up (`SET ROLE NONE`). Neither holds SOURCES: no file(), url(), s3(), remote().
    """
    directory.mkdir(parents=True, exist_ok=True)
    users = directory / "users.xml"
    reader = profile.profile(settings, limits.for_analyst())
    users.write_text(_USERS.format(owner=OWNER_ROLE, grants=_grants(database), reader=reader), encoding="utf-8")
    config = directory / "config.xml"
    config.write_text(
        _CONFIG.format(memory=limits.memory, mark_cache=128 * MIB, users=escape(str(users)), log_days=limits.log_days),
        encoding="utf-8",
    )
    return config


def _grants(database: str) -> str:
    readable = [f"GRANT SELECT ON system.{table}" for table in sorted(READABLE_SYSTEM_TABLES)]
    own = [f"GRANT SHOW, SELECT, dictGet ON {database}.*", "GRANT SELECT ON information_schema.*"]
    withheld = [f"REVOKE SHOW, SELECT, dictGet ON {database}.{table}" for table in sorted(WITHHELD_TABLES)]
    brought = "GRANT CREATE TEMPORARY TABLE ON *.*"  # for the tables that a request brings along
    lines = [*own, *withheld, *readable, brought, f"GRANT {OWNER_ROLE}"]
    return "\n".join(f"        <query>{escape(line)}</query>" for line in lines)
