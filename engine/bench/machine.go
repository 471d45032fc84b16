package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A Machine is where a report comes from. Memory is in bytes, 0 where it is not known.
type Machine struct {
	CPUs     int    `json:"cpus"`
	Memory   int64  `json:"memory"`
	Go       string `json:"go"`
	Postgres string `json:"postgres"`
	OS       string `json:"os"`
}

func (g *ground) machine(ctx context.Context) (Machine, error) {
	m := Machine{CPUs: runtime.NumCPU(), Memory: MachineMemory(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	if err := g.admin.QueryRow(ctx, "SHOW server_version").Scan(&m.Postgres); err != nil {
		return m, fmt.Errorf("asking for PostgreSQL's version: %w", err)
	}
	m.Postgres, _, _ = strings.Cut(m.Postgres, " ")
	return m, nil
}

// MachineMemory is how many bytes of memory the machine has, 0 where Linux does not say it.
func MachineMemory() int64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var kB int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemTotal: %d kB", &kB); n == 1 {
			return kB << 10
		}
	}
	return 0
}
