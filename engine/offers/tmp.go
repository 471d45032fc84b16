package offers
type Cipher struct{}
func NewCipher(key []byte) *Cipher { return nil }
func (c *Cipher) Code(n int64) string { return "" }
func Fold(s string) (string, error) { return s, nil }
func Group(s string) string { return s }
func Split(a int64, l []int64) []int64 { return nil }
