package store

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"beckon/campaigns"
)

// Ids travel as their sixteen bytes. Left to itself the driver takes each through its text, by reflection: of a batch of
// messages that was half the work of writing it.

func registerIDs(types *pgtype.Map) {
	for name, oid := range map[string]uint32{"uuid": pgtype.UUIDOID, "_uuid": pgtype.UUIDArrayOID} {
		known, _ := types.TypeForOID(oid)
		types.RegisterType(&pgtype.Type{Name: name, OID: oid, Codec: idCodec{known.Codec}})
	}
}

// idCodec writes and reads ids and lists of ids itself, and leaves everything else to the driver's codec.
type idCodec struct{ pgtype.Codec }

func (c idCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case campaigns.ID:
			return encodeID{}
		case []campaigns.ID:
			if oid == pgtype.UUIDArrayOID {
				return encodeIDs{}
			}
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

func (c idCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, is := target.(*campaigns.ID); is && format == pgtype.BinaryFormatCode && oid == pgtype.UUIDOID {
		return scanID{}
	}
	return c.Codec.PlanScan(m, oid, format, target)
}

type encodeID struct{}

func (encodeID) Encode(value any, buf []byte) ([]byte, error) {
	id := value.(campaigns.ID)
	return append(buf, id[:]...), nil
}

type encodeIDs struct{}

// Encode writes an array of one dimension; nil is NULL.
func (encodeIDs) Encode(value any, buf []byte) ([]byte, error) {
	ids := value.([]campaigns.ID)
	if ids == nil {
		return nil, nil
	}
	for _, n := range []uint32{1, 0, pgtype.UUIDOID, uint32(len(ids)), 1} {
		buf = binary.BigEndian.AppendUint32(buf, n)
	}
	for i := range ids {
		buf = append(binary.BigEndian.AppendUint32(buf, uint32(len(ids[i]))), ids[i][:]...)
	}
	return buf, nil
}

type scanID struct{}

func (scanID) Scan(src []byte, target any) error {
	id := target.(*campaigns.ID)
	if src == nil {
		return nil // NULL leaves it as it is, as the driver does
	}
	if len(src) != len(id) {
		return fmt.Errorf("an id has %d bytes, not %d", len(id), len(src))
	}
	copy(id[:], src)
	return nil
}
