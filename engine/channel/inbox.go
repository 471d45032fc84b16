package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"beckon/campaigns"
)

// ReadInbox logs in to the mailbox of an e-mail channel and gives up to limit unseen messages to take, one by one and of
// each up to ReportBytesMax. What take has kept is marked as seen; where it fails the rest stays unseen, and is given again
// next time, as is a message whose mark was lost with the connection. It gives how many it read.
func ReadInbox(ctx context.Context, s campaigns.ChannelSettings, limit int, take func(ctx context.Context, raw []byte) error) (read int, err error) {
	conn, err := dialInbox(ctx, s)
	if err != nil {
		return 0, fmt.Errorf("connecting: %w", err)
	}
	client := imapclient.New(conn, nil)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever waits for an answer gets an error
	defer func() {
		stop()
		_ = client.Close() // everything that counts is done, or failed, by now
	}()
	if err := client.Login(s.InboxUsername, campaigns.Text(s.InboxPassword)).Wait(); err != nil {
		return 0, fmt.Errorf("logging in: %w", err)
	}
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		return 0, fmt.Errorf("opening the mailbox: %w", err)
	}
	found, err := client.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if err != nil {
		return 0, fmt.Errorf("looking for what is new: %w", err)
	}
	for _, uid := range firstUIDs(found, limit) {
		raw, err := fetch(client, uid)
		if err != nil {
			return read, fmt.Errorf("reading a message: %w", err)
		}
		if err := take(ctx, raw); err != nil {
			return read, err
		}
		seen := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
		if err := client.Store(imap.UIDSetNum(uid), seen, nil).Close(); err != nil {
			return read, fmt.Errorf("marking a message as seen: %w", err)
		}
		read++
	}
	_ = client.Logout().Wait() // a server that only hangs up is as good
	return read, nil
}

// firstUIDs are up to limit messages that a search found. A range may name more than there is memory for.
func firstUIDs(found *imap.SearchData, limit int) (uids []imap.UID) {
	set, _ := found.All.(imap.UIDSet)
	for _, r := range set {
		for uid := r.Start; uid != 0 && uid <= r.Stop && len(uids) < limit; uid++ {
			uids = append(uids, uid)
		}
	}
	return uids
}

func dialInbox(ctx context.Context, s campaigns.ChannelSettings) (net.Conn, error) {
	secure, port := s.InboxTLS != "none", s.InboxPort
	if port == 0 && secure {
		port = 993
	} else if port == 0 {
		port = 143
	}
	address := net.JoinHostPort(s.InboxHost, strconv.Itoa(port))
	if !secure {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: s.InboxHost, MinVersion: tls.VersionTLS12}}
	return dialer.DialContext(ctx, "tcp", address)
}

// fetch reads the beginning of a message and leaves it unseen. A server that sends more than it was asked for is not kept
// in memory.
func fetch(client *imapclient.Client, uid imap.UID) (raw []byte, err error) {
	beginning := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: ReportBytesMax}}
	command := client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{beginning}})
	for message := command.Next(); message != nil; message = command.Next() {
		for item := message.Next(); item != nil; item = message.Next() {
			section, is := item.(imapclient.FetchItemDataBodySection)
			if !is || section.Literal == nil {
				continue
			}
			text, failed := io.ReadAll(io.LimitReader(section.Literal, ReportBytesMax))
			if raw == nil {
				raw = text
			}
			err = errors.Join(err, failed)
		}
	}
	return raw, errors.Join(err, command.Close())
}
