package bench

import "testing"

func TestTextMessagesAreMeasuredUntilTheyArrived(t *testing.T) {
	rows, err := measureSMS(t.Context(), newGround(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Value <= 0 || row.Beside != textsPerSec || row.Bar != 1 || row.Met != (row.Value >= textsPerSec) {
			t.Errorf("%+v", row)
		}
	}
	if len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
}
