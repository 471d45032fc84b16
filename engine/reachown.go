package engine

import (
	"bytes"
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns/store"
)

// An ownAddress is the hash of an address of the shop's own kind, and whose it is.
type ownAddress struct {
	hash [16]byte
	no   int64
}

// readOwn reads of those who are still there who is suppressed by a kind of address of the shop's own, and who shares an
// address. Such addresses have no look-up that is kept: they are read from the customers, 24 bytes for each of them.
func (s *sieve) readOwn(ctx context.Context, tx *store.Tx, own ownKind) error {
	suppressed, shared := roaring64.New(), map[int64]string{}
	var all []ownAddress
	err := spans(s.rest, func(nos []int64) error {
		some, err := s.addressesOf(ctx, tx, nos)
		if err != nil {
			return err
		}
		hashes := some.hashes[own.Name]
		listed, err := tx.Suppressed(ctx, own.Name, slices.DeleteFunc(slices.Clone(hashes), func(hash []byte) bool { return hash == nil }))
		if err != nil {
			return err
		}
		for i, hash := range hashes {
			if hash == nil {
				continue
			}
			if listed[string(hash)] {
				suppressed.Add(uint64(some.nos[i]))
			}
			all = append(all, ownAddress{[16]byte(hash), some.nos[i]})
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b ownAddress) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for i := 1; i < len(all); i++ {
		if all[i].hash == all[i-1].hash {
			shared[all[i].no], shared[all[i-1].no] = string(all[i].hash[:]), string(all[i].hash[:])
		}
	}
	s.facts.suppressed[own.Name], s.facts.shared[own.Name] = suppressed, shared
	return nil
}
