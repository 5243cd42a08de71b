import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A client as others write them, with clickhouse-jdbc: does what such programs do, and says line by line what came of
 * it, "step TAB result". Usage: Client HOST:PORT USER PASSWORD TABLE
 */
public class Client {
  private static final String TYPES =
      "SELECT toInt8(-1), toUInt256(7), 'text', toFixedString('abc', 3), toDate('2020-02-29'),"
          + " toDateTime64('2020-02-29 12:00:00.123456', 6, 'UTC'), toDecimal64(1.5, 2),"
          + " toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), toIPv4('1.2.3.4'), true, [1, 2],"
          + " toNullable('n'), CAST(NULL, 'Nullable(String)'), toLowCardinality('low'),"
          + " CAST('a', 'Enum8(\\'a\\' = 1)'), 1.5";

  private static String url;
  private static String user;
  private static String password;
  private static String table;

  interface Step {
    Object run() throws Exception;
  }

  public static void main(String[] arguments) throws Exception {
    url = "jdbc:clickhouse://" + arguments[0] + "/thalweg";
    user = arguments[1];
    password = arguments[2];
    table = arguments[3];
    try (Connection connection = open()) {
      say("ping", () -> connection.isValid(5));
      say("tables", () -> tables(connection));
      say("columns", () -> columns(connection));
      say("types", () -> types(connection));
      say("parameters", () -> parameters(connection));
      say("insert", () -> insert(connection));
      say("stored", () -> one(connection, "SELECT concat(toString(count()), ' ', toString(sum(a))) FROM " + table));
      say("syntax", () -> one(connection, "SELECT FROM WHERE"));
      say("no table", () -> one(connection, "SELECT * FROM no_such_table"));
      say("write", () -> one(connection, "DROP TABLE no_such_table"));
      say("cancelled", () -> cancelled(connection));
      say("afterwards", () -> one(connection, "SELECT 'answers'"));
    }
    for (String compression : List.of("compress=false", "compress=true", "client.use_http_compression=true")) {
      say("large " + compression, () -> large(compression.split("=")));
    }
    say("harmless", () -> with("clickhouse_setting_join_use_nulls", "1", "join_use_nulls"));
    say("lowered", () -> with("clickhouse_setting_max_result_rows", "5", "max_result_rows"));
    say("raised", () -> with("clickhouse_setting_max_result_rows", "1099511627776", "max_result_rows"));
    say("constant", () -> with("clickhouse_setting_insert_quorum", "2", "insert_quorum"));
  }

  private static Connection open(String... properties) throws SQLException {
    Properties all = new Properties();
    all.setProperty("user", user);
    all.setProperty("password", password);
    for (int at = 0; at < properties.length; at += 2) {
      all.setProperty(properties[at], properties[at + 1]);
    }
    return DriverManager.getConnection(url, all);
  }

  private static void say(String step, Step what) {
    String value;
    try {
      value = String.valueOf(what.run());
    } catch (SQLException error) {
      Matcher code = Pattern.compile("Code: (\\d+)").matcher(String.valueOf(error.getMessage()));
      value = code.find() ? "code " + code.group(1) : "error: " + error;
    } catch (Exception error) {
      value = "error: " + error;
    }
    System.out.println(step + "\t" + value.replace("\n", " "));
  }

  private static String one(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      return rows.next() ? rows.getString(1) : "nothing";
    }
  }

  private static String tables(Connection connection) throws SQLException {
    try (ResultSet rows = connection.getMetaData().getTables(null, "thalweg", table, null)) {
      return rows.next() ? rows.getString("TABLE_NAME") : "nothing";
    }
  }

  private static String columns(Connection connection) throws SQLException {
    List<String> names = new ArrayList<>();
    try (ResultSet rows = connection.getMetaData().getColumns(null, "thalweg", table, null)) {
      while (rows.next()) {
        names.add(rows.getString("COLUMN_NAME") + " " + rows.getString("TYPE_NAME"));
      }
    }
    return String.join("; ", names);
  }

  private static String types(Connection connection) throws SQLException {
    List<String> values = new ArrayList<>();
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(TYPES)) {
      rows.next();
      for (int at = 1; at <= rows.getMetaData().getColumnCount(); at++) {
        values.add(rows.getString(at));
      }
    }
    return String.join("; ", values);
  }

  private static String parameters(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT concat(?, toString(?))")) {
      statement.setString(1, "it's \\ ; -- x");
      statement.setInt(2, -5);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return rows.getString(1);
      }
    }
  }

  private static String insert(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("INSERT INTO " + table + " (a, s) VALUES (?, ?)")) {
      for (int at = 0; at < 1000; at++) {
        statement.setLong(1, at);
        statement.setString(2, "it's " + at % 7);
        statement.addBatch();
      }
      return "sent " + statement.executeBatch().length;
    }
  }

  private static String large(String[] property) throws SQLException {
    long count = 0;
    long sum = 0;
    long length = 0;
    try (Connection connection = open(property);
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT number, toString(number) FROM numbers(200000)")) {
      while (rows.next()) {
        count++;
        sum += rows.getLong(1);
        length += rows.getString(2).length();
      }
    }
    return count + " " + sum + " " + length;
  }

  /** As a program's own button does it: from another thread, again until the statement has begun and ended. */
  private static String cancelled(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      Thread running = new Thread(() -> say("ended", () -> endless(statement)));
      running.setDaemon(true);
      running.start();
      while (running.isAlive()) {
        running.join(200);
        statement.cancel();
      }
      return "done";
    }
  }

  private static String endless(Statement statement) throws SQLException {
    String sql = "SELECT count() FROM numbers(1e12) WHERE NOT ignore(sipHash64(number), '" + table + "')";
    try (ResultSet rows = statement.executeQuery(sql)) {
      return rows.next() ? "went on" : "nothing";
    }
  }

  private static String with(String property, String value, String setting) throws SQLException {
    try (Connection connection = open(property, value)) {
      return one(connection, "SELECT toString(getSetting('" + setting + "'))");
    }
  }
}
