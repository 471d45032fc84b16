package main

import (
	"bufio"
	"fmt"
	"os"
)

// audienceBytes is how much memory audiences may take: what was asked for in MiB, else a quarter of the machine's, because
// the collector lets a process grow to twice what it holds, and PostgreSQL may be beside it.
func audienceBytes(mebibytes int64) int64 {
	if mebibytes != 0 {
		return mebibytes << 20
	}
	return machineMemory() / 4
}

// machineMemory is in bytes, as Linux says it in kB; 0 where it is not known.
func machineMemory() int64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kB int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemTotal: %d kB", &kB); n == 1 {
			return kB << 10
		}
	}
	return 0
}
