package audience

import (
	"log/slog"
	"time"
)

// sayEvery is how often a load that takes long says how far it is.
const sayEvery = 10 * time.Second

// beginProgress makes a load visible; what it returns is to be called at its end.
func (im *Image) beginProgress() (ended func(*load)) {
	began := im.options.Clock()
	im.mu.Lock()
	im.stats.LoadingSince, im.stats.LoadingRows = began, 0
	im.mu.Unlock()
	return func(l *load) {
		took := im.options.Clock().Sub(began)
		im.mu.Lock()
		im.stats.LoadingSince, im.stats.LoadingRows = time.Time{}, 0
		if l.installed {
			im.stats.Load = took
		}
		im.mu.Unlock()
		if !l.installed || l.read == 0 {
			return // who asked hears the reason
		}
		stats := im.Stats()
		im.options.Log.Info("customers were loaded into memory", slog.Int("columns", len(l.missing)), slog.Int("histories", len(l.histories)),
			slog.Int64("rows", l.read), slog.Int64("customers", stats.Customers), slog.Int64("bytes", stats.Bytes), slog.Duration("took", took))
	}
}

// counted counts the rows that a load reads, and says now and then how many there were.
func (l *load) counted(row func(no int64, fields [][]byte) error) func(no int64, fields [][]byte) error {
	const rowsBetween = 1 << 13
	im, said := l.image, l.image.options.Clock()
	return func(no int64, fields [][]byte) error {
		if l.read++; l.read%rowsBetween == 0 {
			im.mu.Lock()
			im.stats.LoadingRows = l.read
			im.mu.Unlock()
			if now := im.options.Clock(); now.Sub(said) >= sayEvery {
				said = now
				im.options.Log.Info("customers are being loaded into memory", "rows", l.read)
			}
		}
		return row(no, fields)
	}
}
