package main

import "beckon/engine/bench"

// audienceBytes is how much memory audiences may take: what was asked for in MiB, else a quarter of the machine's, because
// the collector lets a process grow to twice what it holds, and PostgreSQL may be beside it.
func audienceBytes(mebibytes int64) int64 {
	if mebibytes != 0 {
		return mebibytes << 20
	}
	return bench.MachineMemory() / 4
}
