package bench

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// Print writes the report for a person.
func (r *Report) Print(out io.Writer) error {
	m := r.Machine
	memory := ""
	if m.Memory > 0 {
		memory = fmt.Sprintf(", %.1f GB", float64(m.Memory)/(1<<30))
	}
	if _, err := fmt.Fprintf(out, "%d processors%s, %s, %s, PostgreSQL %s\n\n", m.CPUs, memory, m.OS, m.Go, m.Postgres); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "name\tvalue\tunit\tbeside\tratio\tbar\tmet") // an error shows at Flush
	for _, row := range r.Rows {
		met := "no"
		if row.Met {
			met = "yes"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.2f\t%.2f\t%s\n", row.Name, figure(row.Value), row.Unit, figure(row.Beside), down(row.Ratio), row.Bar, met)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, note := range r.Notes {
		if i == 0 {
			note = "\n" + note
		}
		if _, err := fmt.Fprintln(out, note); err != nil {
			return err
		}
	}
	return nil
}

// figure writes small values with two decimals and others without.
func figure(value float64) string {
	if value < 100 {
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.0f", value)
}

// down rounds a ratio down to two digits, so that one below its bar never reads as if it reached it.
func down(ratio float64) float64 { return math.Floor(ratio*100) / 100 }
