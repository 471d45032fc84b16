package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"beckon/campaigns"
)

func TestIDsTravelAsTheDriverWritesAndReadsThem(t *testing.T) {
	plain, ours := pgtype.NewMap(), pgtype.NewMap()
	registerIDs(ours)
	a, b := campaigns.NewID(time.UnixMilli(1)), campaigns.NewID(time.UnixMilli(2))
	for _, c := range []struct {
		oid   uint32
		value any
	}{
		{pgtype.UUIDOID, a}, {pgtype.UUIDOID, &b}, {pgtype.UUIDOID, (*campaigns.ID)(nil)}, {pgtype.UUIDArrayOID, []campaigns.ID(nil)},
		{pgtype.UUIDArrayOID, []campaigns.ID{}}, {pgtype.UUIDArrayOID, []campaigns.ID{a}}, {pgtype.UUIDArrayOID, []campaigns.ID{a, b, {}}},
	} {
		want, err := plain.Encode(c.oid, pgtype.BinaryFormatCode, c.value, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.Encode(c.oid, pgtype.BinaryFormatCode, c.value, nil)
		if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%v: %x, %v; the driver writes %x", c.value, got, err, want)
		}
	}
	read := b
	if err := ours.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, a[:], &read); err != nil || read != a {
		t.Errorf("%v was read, not %v: %v", read, a, err)
	}
	if err := ours.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, nil, &read); err != nil || read != a {
		t.Errorf("NULL made %v of %v: %v", read, a, err)
	}
	if err := ours.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, a[:4], &read); err == nil {
		t.Error("half an id was read")
	}
	var maybe *campaigns.ID
	if err := ours.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, b[:], &maybe); err != nil || maybe == nil || *maybe != b {
		t.Errorf("%v was read, not %v: %v", maybe, b, err)
	}
}
