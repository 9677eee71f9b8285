package migrations

import (
	"io/fs"
	"slices"
	"testing"
)

func TestBothSetsHaveTheSameFiles(t *testing.T) {
	names := map[string][]string{}
	for _, dialect := range []string{"sqlite", "postgres"} {
		set, err := Of(dialect)
		if err != nil {
			t.Fatal(err)
		}
		if names[dialect], err = fs.Glob(set, "*.sql"); err != nil {
			t.Fatal(err)
		}
	}
	if len(names["sqlite"]) == 0 || !slices.Equal(names["sqlite"], names["postgres"]) {
		t.Errorf("sqlite has %v, postgres %v", names["sqlite"], names["postgres"])
	}
}

func TestOfRefusesOtherDialects(t *testing.T) {
	if _, err := Of("mysql"); err == nil {
		t.Error("mysql has a set")
	}
}
