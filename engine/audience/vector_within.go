package audience

// refineWithin keeps the rows whose value lies from low to high; what is missing does not.
func (w *worker) refineWithin(rows []uint64, v *value, low, high int64) {
	c := v.column
	switch {
	case v.isMissing(), c != nil && (c.low > high || c.high < low):
		clear(rows)
		return
	case c != nil && low <= c.low && c.high <= high:
	case c == nil || v.index != nil || v.ints != nil || c.i64 != nil:
		withinLong(rows, w.intsOf(v), low, uint64(high)-uint64(low))
	case c.i8 != nil:
		within[int8, uint8](rows, c.i8[v.first:v.first+v.rows], low, high)
	case c.i16 != nil:
		within[int16, uint16](rows, c.i16[v.first:v.first+v.rows], low, high)
	default:
		within[int32, uint32](rows, c.i32[v.first:v.first+v.rows], low, high)
	}
	andValid(rows, w.validOf(v))
}
