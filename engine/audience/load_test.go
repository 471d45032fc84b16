package audience

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/engine/rules"
)

func TestACopyIsReadInPiecesOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)
		var want []string
		for no := range rapid.IntRange(0, 20).Draw(t, "tuples") {
			fields := rapid.SliceOfN(rapid.Ptr(rapid.SliceOfN(rapid.Byte(), 0, 9), true), 0, 4).Draw(t, "fields")
			stream = binary.BigEndian.AppendUint16(stream, uint16(len(fields)+1))
			stream = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(stream, 8), uint64(no))
			text := fmt.Sprint(no)
			for _, field := range fields {
				if field == nil {
					stream, text = binary.BigEndian.AppendUint32(stream, 0xffffffff), text+" missing"
					continue
				}
				stream, text = append(binary.BigEndian.AppendUint32(stream, uint32(len(*field))), *field...), text+fmt.Sprintf(" %x", *field)
			}
			want = append(want, text)
		}
		stream = append(stream, 0xff, 0xff)
		var got []string
		to := &tuples{row: func(no int64, fields [][]byte) error {
			text := fmt.Sprint(no)
			for _, field := range fields {
				if field == nil {
					text += " missing"
				} else {
					text += fmt.Sprintf(" %x", field)
				}
			}
			got = append(got, text)
			return nil
		}}
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "piece")
			if _, err := to.Write(slices.Clone(stream[:n])); err != nil {
				t.Fatal(err)
			}
			stream = stream[n:]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func TestAColumnKeepsWhatIsSetInTheNarrowestEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rows = 70
		numbers, texts := newColumn(rules.Money, rows), newColumn(rules.Text, rows)
		index := newTextIndex(texts.texts, 0)
		want, wantText := make([]*int64, rows), make([]*string, rows)
		value := rapid.Ptr(rapid.OneOf(rapid.Int64Range(-130, 130), rapid.Int64Range(-40000, 40000), rapid.Int64()), true)
		for range rapid.IntRange(0, 150).Draw(t, "sets") {
			i, v := rapid.IntRange(0, rows-1).Draw(t, "entry"), value.Draw(t, "value")
			if want[i], wantText[i] = v, nil; v == nil {
				numbers.setMissing(i)
				texts.setMissing(i)
				continue
			}
			text := fmt.Sprint(*v)
			wantText[i] = &text
			numbers.setInt(i, *v)
			texts.setCode(i, index.code([]byte(text)))
			if rapid.IntRange(0, 20).Draw(t, "settle") == 0 {
				numbers.settle(nil)
				texts.settle(nil)
			}
			if rapid.IntRange(0, 20).Draw(t, "pack") == 0 {
				texts.rewriteTexts()
				index = newTextIndex(texts.texts, 0)
			}
		}
		for i := range rows {
			if (want[i] == nil) != numbers.isMissing(i) || (want[i] == nil) != texts.isMissing(i) {
				t.Fatalf("entry %d: missing %v and %v, want %v", i, numbers.isMissing(i), texts.isMissing(i), want[i] == nil)
			}
			if want[i] != nil && (valueAt(numbers, i) != any(*want[i]) || valueAt(texts, i) != any(*wantText[i])) {
				t.Fatalf("entry %d: %v and %v, want %d", i, valueAt(numbers, i), valueAt(texts, i), *want[i])
			}
		}
	})
}

func TestRowsOfACustomerAreInOrder(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 50, 40)
	w.exec(t, `UPDATE purchases SET at = at - no * interval '3 days' WHERE length(order_id) % 2 = 0`) // moves rows within the table
	im := w.image()
	for no, record := range held(t, w, im, Needs{Histories: []string{"purchases"}}) {
		rows := record["purchases"].([]map[string]any)
		if len(rows) != 40 || !slices.IsSortedFunc(rows, func(a, b map[string]any) int { return timeOf(a).Compare(timeOf(b)) }) {
			t.Fatalf("customer %d: %v", no, rows)
		}
	}
}

func timeOf(row map[string]any) time.Time { return row["at"].(time.Time) }
