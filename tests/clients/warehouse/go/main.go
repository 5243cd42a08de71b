// A client as others write them, with clickhouse-go over HTTP: does what such programs do, and says line by line what
// came of it, "step<TAB>result". Usage: client HOST:PORT USER PASSWORD TABLE
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const types = `SELECT toInt8(-1), toUInt256(7), 'text', toFixedString('abc', 3), toDate('2020-02-29'),
	toDateTime('2020-02-29 12:00:00', 'UTC'), toDateTime64('2020-02-29 12:00:00.123456', 6, 'UTC'), toDecimal64(1.5, 2),
	toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), toIPv4('1.2.3.4'), true, [1, 2], map('a', 1), tuple(1, 'x'),
	toNullable('n'), CAST(NULL, 'Nullable(String)'), toLowCardinality('low'), CAST('a', 'Enum8(\'a\' = 1)'), 1.5`

var address, user, password, table string

func open(compression clickhouse.CompressionMethod) driver.Conn {
	options := &clickhouse.Options{
		Protocol: clickhouse.HTTP,
		Addr:     []string{address},
		Auth:     clickhouse.Auth{Database: "thalweg", Username: user, Password: password},
	}
	if compression != clickhouse.CompressionNone {
		options.Compression = &clickhouse.Compression{Method: compression, Level: 1}
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		panic(err)
	}
	return conn
}

func say(step string, value any, err error) {
	var exception *clickhouse.Exception
	switch {
	case errors.As(err, &exception):
		value = fmt.Sprintf("code %d", exception.Code)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		value = "cancelled"
	case err != nil:
		value = "error: " + err.Error()
	}
	fmt.Printf("%s\t%s\n", step, strings.ReplaceAll(fmt.Sprint(value), "\n", " "))
}

func one(conn driver.Conn, ctx context.Context, step string, sql string, args ...any) {
	var value string
	err := conn.QueryRow(ctx, sql, args...).Scan(&value)
	say(step, value, err)
}

func everyType(conn driver.Conn) {
	rows, err := conn.Query(context.Background(), types)
	if err != nil {
		say("types", nil, err)
		return
	}
	defer rows.Close()
	var names, values []string
	for rows.Next() {
		cells := make([]any, len(rows.ColumnTypes()))
		for i, column := range rows.ColumnTypes() {
			names = append(names, column.DatabaseTypeName())
			cells[i] = newOf(column)
		}
		if err := rows.Scan(cells...); err != nil {
			say("types", nil, err)
			return
		}
		for _, cell := range cells {
			values = append(values, shown(cell))
		}
	}
	say("type names", strings.Join(names, "; "), rows.Err())
	say("types", strings.Join(values, "; "), rows.Err())
}

func large(conn driver.Conn, step string, rows uint64) {
	var count, sum, length uint64
	found, err := conn.Query(context.Background(), fmt.Sprintf("SELECT number, toString(number) FROM numbers(%d)", rows))
	if err == nil {
		defer found.Close()
		for found.Next() {
			var number uint64
			var text string
			if err = found.Scan(&number, &text); err != nil {
				break
			}
			count, sum, length = count+1, sum+number, length+uint64(len(text))
		}
		if err == nil {
			err = found.Err()
		}
	}
	say(step, fmt.Sprint(count, " ", sum, " ", length), err)
}

func insert(conn driver.Conn, step string) {
	batch, err := conn.PrepareBatch(context.Background(), "INSERT INTO "+table)
	if err == nil {
		for i := range uint64(100_000) {
			if err = batch.Append(i, fmt.Sprint("s", i%7)); err != nil {
				break
			}
		}
		if err == nil {
			err = batch.Send()
		}
	}
	say(step, "sent", err)
}

func faults(conn driver.Conn) {
	ctx := context.Background()
	one(conn, ctx, "syntax", "SELEC 1")
	one(conn, ctx, "no table", "SELECT * FROM no_such_table")
	one(conn, ctx, "write", "DROP TABLE no_such_table")
	rows, err := conn.Query(ctx, "SELECT throwIf(number = 3000000) FROM numbers(5000000) SETTINGS max_block_size = 65409")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
	}
	say("late fault", "none", err)
}

func settings(conn driver.Conn) {
	with := func(name string, value any) context.Context {
		return clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{name: value}))
	}
	one(conn, with("async_insert", 0), "harmless", "SELECT toString(getSetting('async_insert'))")
	one(conn, with("max_result_rows", 5), "lowered", "SELECT toString(getSetting('max_result_rows'))")
	one(conn, with("max_result_rows", uint64(1)<<40), "raised", "SELECT toString(getSetting('max_result_rows'))")
	one(conn, with("insert_quorum", 2), "constant", "SELECT toString(getSetting('insert_quorum'))")
	patient, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	one(conn, patient, "patient", "SELECT 'done'")
}

func parameters(conn driver.Conn) {
	named := clickhouse.Context(context.Background(), clickhouse.WithParameters(clickhouse.Parameters{
		"s": "it's \\ ; -- x", "n": "-5",
	}))
	one(conn, named, "parameters", "SELECT concat({s:String}, toString({n:Int32}))")
	one(conn, context.Background(), "bound", "SELECT concat(?, toString(?))", "it's", 7)
}

func sessions(conn driver.Conn) {
	session := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"session_id": table}))
	say("temporary table", "made", conn.Exec(session, "CREATE TEMPORARY TABLE mine (a Int8)"))
	say("temporary row", "sent", conn.Exec(session, "INSERT INTO mine VALUES (7)"))
	one(conn, session, "temporary", "SELECT toString(a) FROM mine")
}

func cancel(conn driver.Conn) {
	ctx, stop := context.WithCancel(context.Background())
	rows, err := conn.Query(ctx, "SELECT number, '"+table+"' FROM numbers(1e12)")
	if err == nil {
		rows.Next()
		stop()
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
	}
	stop()
	say("cancelled", "went on", err)
	one(conn, context.Background(), "afterwards", "SELECT 'answers'")
}

func main() {
	address, user, password, table = os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	conn := open(clickhouse.CompressionNone)
	say("ping", "pong", conn.Ping(context.Background()))
	everyType(conn)
	parameters(conn)
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
		"gzip": clickhouse.CompressionGZIP, "deflate": clickhouse.CompressionDeflate, "br": clickhouse.CompressionBrotli,
	} {
		large(open(method), "large "+name, 200_000)
	}
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "gzip": clickhouse.CompressionGZIP,
	} {
		insert(open(method), "insert "+name)
	}
	one(conn, context.Background(), "stored", "SELECT toString(count()) || ' ' || toString(sum(a)) FROM "+table)
	one(conn, context.Background(), "empty", "SELECT s FROM "+table+" WHERE a > 1000000")
	faults(conn)
	settings(conn)
	sessions(conn)
	cancel(conn)
	db := clickhouse.OpenDB(&clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{address},
		Auth: clickhouse.Auth{Database: "thalweg", Username: user, Password: password},
	})
	say("database/sql", "pong", db.Ping())
}
