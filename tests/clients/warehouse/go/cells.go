package main

import (
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func newOf(column driver.ColumnType) any {
	return reflect.New(column.ScanType()).Interface()
}

func shown(cell any) string {
	value := reflect.ValueOf(cell).Elem()
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		if _, isText := value.Interface().(fmt.Stringer); isText {
			break
		}
		value = value.Elem()
	}
	if moment, isTime := value.Interface().(time.Time); isTime {
		return moment.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value.Interface())
}
