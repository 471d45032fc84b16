package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifyFindsTheFiguresOfAnImportRight(t *testing.T) {
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "till.csv")
	if err := os.WriteFile(file, []byte("order_id,customer_id,at,amount\no1,c1,2026-01-01,9.90\no2,c1,2026-01-02,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, log := typed(t, "import", "purchases", file, "--data", data); code != 0 || !strings.Contains(out, "2 written") {
		t.Fatalf("code %d: %s%s", code, out, log)
	}
	if code, out, log := typed(t, "verify", "--data", data); code != 0 || !strings.Contains(out, "1 customers' figures worked out anew, 0 mended") {
		t.Errorf("code %d: %s%s", code, out, log)
	}
}
