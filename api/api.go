package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// Server answers HTTP. All its methods may be called at once.
type Server struct {
	store  *store.Store
	engine *engine.Engine
	log    *slog.Logger
	echo   *echo.Echo
	huma   huma.API
	keys   keyCache
	gauges *gauges

	background sync.WaitGroup
	closing    chan struct{}
	close      sync.Once
}

// Options of New. Version is shown in the OpenAPI document.
type Options struct {
	Log     *slog.Logger
	Version string
}

// New makes a server over a store and the engine that works on it.
func New(s *store.Store, e *engine.Engine, options Options) *Server {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Version == "" {
		options.Version = "0"
	}
	server := &Server{store: s, engine: e, log: options.Log, echo: echo.New(), gauges: newGauges(s), closing: make(chan struct{})}
	server.gauges.registry.MustRegister(newMemoryGauges(e, s.Now))
	server.echo.HTTPErrorHandler = server.routingError
	server.echo.Pre(server.shortHost)
	server.echo.Use(server.around, server.recovered)
	server.huma = document(server.echo, options.Version, server)
	server.routes()
	server.campaignRoutes()
	server.messageRoutes()
	server.controlRoutes()
	server.pages()
	return server
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// HTTP is a net/http server with this one's bounds on what a slow or idle client may hold. Bodies have their own.
func (s *Server) HTTP(address string) *http.Server {
	return &http.Server{Addr: address, Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
}

// Close ends what goes on behind requests that were answered, and waits for it.
func (s *Server) Close() {
	s.close.Do(func() { close(s.closing) })
	s.background.Wait()
}

// routes are the workspace, the customers and what they did. The scopes of a line open it besides admin.
func (s *Server) routes() {
	const marketer, approver, pos, ingest, read = campaigns.ScopeMarketer, campaigns.ScopeApprover, campaigns.ScopePOS, campaigns.ScopeIngest, campaigns.ScopeRead
	anyone := []string{marketer, approver, pos, ingest, read}
	admin := []string{}
	people, readPeople := []string{marketer, ingest}, []string{read, marketer, approver, ingest}
	till, readTill := []string{pos, ingest}, []string{read, marketer, approver, pos, ingest}

	route(s, "GET /v1/workspace", "Read the settings", anyone, s.workspace)
	route(s, "PATCH /v1/workspace", "Change settings", admin, s.editWorkspace)
	route(s, "GET /v1/workspace/global-holdout", "The quarters of the global holdout, the latest first", readPeople, whole(s, s.listGlobalHoldouts), table, slow)
	route(s, "GET /v1/keys", "List the keys", []string{read}, whole(s, s.listKeys), table, slow)
	route(s, "POST /v1/keys", "Make a key; its secret is shown once", admin, s.createKey, created)
	route(s, "DELETE /v1/keys/{id}", "End a key", admin, s.deleteKey)
	route(s, "GET /v1/audit", "Who changed what, the latest first", []string{read}, whole(s, s.audit), table, slow)

	route(s, "GET /v1/attributes", "List the registered attributes", readTill, whole(s, s.listAttributes), table, slow)
	route(s, "GET /v1/attributes/{name}", "Read an attribute", readTill, s.attribute)
	route(s, "PUT /v1/attributes/{name}", "Register an attribute, or define a computed one", people, s.putAttribute)
	route(s, "PATCH /v1/attributes/{name}", "Rename an attribute that nothing uses; customers keep their values", []string{marketer}, s.renameAttribute)
	route(s, "DELETE /v1/attributes/{name}", "Delete an attribute that nothing uses, and every customer's value of it", []string{marketer}, s.deleteAttribute)
	route(s, "GET /v1/customers", "List customers, or those who match a rule", readPeople, s.listCustomers, table, slow)
	route(s, "GET /v1/customers/{id}", "Read a customer with derived fields", readPeople, s.customer)
	route(s, "PUT /v1/customers/{id}", "Create or replace a customer", people, s.putCustomer)
	route(s, "PATCH /v1/customers/{id}", "Create a customer or merge fields into one", people, s.patchCustomer)
	route(s, "GET /v1/customers/{id}/consents", "A customer's word on each channel, the latest first", readPeople, whole(s, s.listConsents), table, slow)
	route(s, "POST /v1/customers/{id}/consents", "Keep a customer's word", people, s.createConsent, created)
	route(s, "GET /v1/consents", "What all customers said on channels and topics, by customer", readPeople, whole(s, s.listWords), table, slow)
	route(s, "GET /v1/suppressions", "List addresses that are never sent to; as CSV without a limit all of them", readPeople, s.listSuppressions, table, slow)
	route(s, "POST /v1/suppressions", "Never send to an address", people, s.createSuppression, created)
	route(s, "DELETE /v1/suppressions", "Let an address be sent to again", people, s.deleteSuppression)
	route(s, "GET /v1/inbound", "Texts that people sent to our numbers, and what came of them", readPeople, whole(s, s.listInbound), table, slow)

	route(s, "POST /v1/purchases", "Keep one purchase or many", till, s.createPurchases, known)
	route(s, "GET /v1/purchases/{order_id}", "Read a purchase with its refunds", readTill, s.purchase)
	route(s, "POST /v1/purchases/{order_id}/refunds", "Take back lines of a purchase, or all of it", till, s.createRefund, known)
	route(s, "POST /v1/events", "Keep one event or many", people, s.createEvents, known)
	route(s, "POST /v1/imports", "Bring in a file of customers, purchases, events, points, assignments or suppressed addresses", []string{ingest}, s.createImport, accepted, streams, importedFiles)
	route(s, "GET /v1/imports", "List imports, the newest first", readPeople, whole(s, s.listImports), table, slow)
	route(s, "GET /v1/imports/{id}", "Read an import with its first rejected rows", readPeople, s.readImport)
	route(s, "GET /v1/imports/{id}/rejected.csv", "All rejected rows", readPeople, s.rejectedRows, file)
	route(s, "GET /v1/codes/{code}", "What a code is and whether it can be used now", readTill, s.code)
	route(s, "POST /v1/redemptions", "Price a basket and use its codes", []string{pos}, s.redeem, known)
}

// campaignRoutes are campaigns, what they are made of, and what they caused.
func (s *Server) campaignRoutes() {
	const marketer, approver, read = campaigns.ScopeMarketer, campaigns.ScopeApprover, campaigns.ScopeRead
	admin, look := []string{}, []string{read, marketer, approver}
	write, launch := []string{marketer}, []string{marketer, approver}

	route(s, "POST /v1/rules/check", "Say what is wrong with a rule", launch, s.checkRule)
	route(s, "POST /v1/rules/count", "Count the customers who match a rule", launch, s.countRule, slow)
	route(s, "POST /v1/rules/explain", "Say why a customer matches a rule or does not", launch, s.explainRule)
	route(s, "POST /v1/rules/forecast", "Count who will match on each of the next days", launch, s.forecastRule, table, slow)
	route(s, "GET /v1/segments", "List segments, the newest first", look, whole(s, s.listSegments), table, slow)
	route(s, "POST /v1/segments", "Save a rule under a name", write, s.createSegment, created)
	route(s, "GET /v1/segments/{id}", "Read a segment", look, s.segment)
	route(s, "PUT /v1/segments/{id}", "Change a segment; what was launched keeps the rule it had", write, s.putSegment)
	route(s, "DELETE /v1/segments/{id}", "Delete a segment that nothing uses", write, s.deleteSegment)
	route(s, "GET /v1/templates", "List templates, the newest first", look, whole(s, s.listTemplates), table, slow)
	route(s, "POST /v1/templates", "Create a template", write, s.createTemplate, created)
	route(s, "GET /v1/templates/{id}", "Read a template", look, s.template)
	route(s, "PUT /v1/templates/{id}", "Write a new revision of a template", write, s.putTemplate)
	route(s, "DELETE /v1/templates/{id}", "Delete a template; what was made from it stays", write, s.deleteTemplate)
	route(s, "POST /v1/templates/{id}/preview", "Render a template for a customer", launch, s.previewTemplate)
	route(s, "POST /v1/templates/preview", "Render a template that is being written for a customer", launch, s.previewUnsaved)
	route(s, "POST /v1/templates/{id}/check", "Render a template for everybody who matches a rule, with nothing sent", launch, s.checkWholeTemplate, table, slow)
	route(s, "POST /v1/templates/{id}/test", "Send a template to named addresses only, marked as a test", launch, s.testTemplate)
	route(s, "GET /v1/channels", "List the channels", look, whole(s, s.listChannels), table, slow)
	route(s, "POST /v1/channels", "Create a channel", admin, s.createChannel, created)
	route(s, "GET /v1/channels/{id}", "Read a channel without its secrets", look, s.channel)
	route(s, "PUT /v1/channels/{id}", "Change a channel; secrets that are left out stay", admin, s.putChannel)
	route(s, "POST /v1/channels/{id}/test", "Send a test message through a channel", admin, s.testChannel)
	route(s, "GET /v1/offers", "List offers, the newest first", look, whole(s, s.listOffers), table, slow)
	route(s, "POST /v1/offers", "Create an offer", launch, s.createOffer, created)
	route(s, "GET /v1/offers/{id}", "Read an offer", look, s.offer)
	route(s, "PUT /v1/offers/{id}", "Write a new revision of an offer", launch, s.putOffer)

	route(s, "GET /v1/ready-made", "List the campaigns that are ready to be made, with their words", look, s.listReadyMade, table)
	route(s, "POST /v1/ready-made/{name}", "Make the draft of a ready-made campaign, with its words", write, s.makeReadyMade, created)
	route(s, "GET /v1/campaigns", "List campaigns, the newest first", look, whole(s, s.listCampaigns), table, slow)
	route(s, "POST /v1/campaigns", "Create a draft", write, s.createCampaign, created)
	route(s, "GET /v1/campaigns/{id}", "Read a campaign", look, s.campaign)
	route(s, "PUT /v1/campaigns/{id}", "Write a new version; what runs keeps the one that was launched", write, s.putCampaign)
	route(s, "DELETE /v1/campaigns/{id}", "Delete a campaign that was never launched", write, s.deleteCampaign)
	route(s, "GET /v1/campaigns/{id}/versions", "List a campaign's versions, the newest first", look, whole(s, s.listVersions), table, slow)
	route(s, "GET /v1/campaigns/{id}/versions/{version}", "Read a version with what it says", look, s.version)
	route(s, "POST /v1/campaigns/{id}/copy", "Make a new draft of what a campaign says", write, s.copyCampaign, created)
	route(s, "POST /v1/campaigns/{id}/submit", "Give the newest version to review", write, s.submit, slow)
	route(s, "POST /v1/campaigns/{id}/approve", "Let the newest version be launched; it takes another key than the one that wrote or submitted it", []string{approver}, s.approve)
	route(s, "POST /v1/campaigns/{id}/reject", "Make the newest version a draft again", []string{approver}, s.reject)
	route(s, "POST /v1/campaigns/{id}/launch", "Put the newest version in effect", launch, s.move(campaigns.Launch), slow)
	route(s, "POST /v1/campaigns/{id}/pause", "Stop sending for now", launch, s.move(campaigns.Pause))
	route(s, "POST /v1/campaigns/{id}/resume", "Go on sending", launch, s.move(campaigns.Resume))
	route(s, "POST /v1/campaigns/{id}/cancel", "End a campaign for good", launch, s.move(campaigns.Cancel))
	route(s, "POST /v1/campaigns/{id}/archive", "Put a campaign away", launch, s.move(campaigns.Archive))
	route(s, "POST /v1/campaigns/{id}/dry-run", "Who would get it now and who would not, with nothing written", launch, s.dryRun, table, slow)
	route(s, "POST /v1/campaigns/{id}/test", "Send a campaign to named addresses only, marked as a test", launch, s.testCampaign)
	route(s, "GET /v1/campaigns/{id}/runs", "List a campaign's runs, the latest first", look, whole(s, s.listCampaignRuns), table, slow)
	route(s, "GET /v1/campaigns/{id}/report", "What a campaign caused", look, s.report, table, slow)
	route(s, "GET /v1/runs", "The latest runs of all campaigns", look, whole(s, s.latestRuns), table, slow)
	route(s, "GET /v1/runs/{id}", "Read a run with its counts", look, s.run)
	route(s, "GET /v1/runs/{id}/audience", "Who stands at which gate; as CSV without a limit all of them", look, s.runAudience, table, slow)
}

// messageRoutes are messages, and what people and providers reach without a key.
func (s *Server) messageRoutes() {
	const marketer, approver, read = campaigns.ScopeMarketer, campaigns.ScopeApprover, campaigns.ScopeRead
	look, write := []string{read, marketer, approver}, []string{marketer}

	route(s, "GET /v1/messages", "List messages, the newest first", look, s.listMessages, table, slow)
	route(s, "GET /v1/messages/{id}", "Read a message with its history and content", look, s.message)
	route(s, "POST /v1/messages/{id}/settle", "Say what became of a message whose outcome is unknown", write, s.settleMessage)

	route(s, "GET /u/{token}", "The page for leaving a channel; it changes nothing", nil, s.unsubscribePage, open)
	route(s, "HEAD /u/{token}", "Nothing but that the page is there", nil, s.unsubscribePage, open)
	route(s, "POST /u/{token}", "Leave a channel, or with the page's form choose its topics", nil, s.unsubscribe, open)
	route(s, "GET /o/{token}", "The picture that counts that a message was opened", nil, s.opened, open)
	route(s, "GET /t/{token}", "Where a link in an e-mail leads; it counts the click", nil, s.clicked, open, leads)
	route(s, "HEAD /t/{token}", "Where it leads, counting nothing", nil, s.asked, open, leads)
	route(s, "GET /s/{code}", "Where a short link leads; it counts the click", nil, s.clickedShort, open, leads)
	route(s, "HEAD /s/{code}", "Where it leads, counting nothing", nil, s.askedShort, open, leads)
	route(s, "POST /hooks/{channel}/receipts", "What a provider says of messages", nil, s.hook(engine.HookReceipts), open, hooked)
	route(s, "POST /hooks/{channel}/inbound", "What people wrote to one of our numbers", nil, s.hook(engine.HookInbound), open, hooked)
	route(s, "POST /hooks/{channel}/bounces", "Bounces and complaints of e-mail", nil, s.hook(engine.HookBounces), open, hooked)
}

// controlRoutes are what keeps sending from doing harm, and lets it go on.
func (s *Server) controlRoutes() {
	launch := []string{campaigns.ScopeMarketer, campaigns.ScopeApprover}

	route(s, "POST /v1/workspace/stop", "Stop all sending within a second; audiences are found and queued meanwhile", launch, s.stopSending)
	route(s, "POST /v1/workspace/resume", "Let sending go on, to exactly what is left", launch, s.resumeSending)
	route(s, "POST /v1/campaigns/{id}/run", "Run a launched campaign now, beside its schedule", launch, s.runNow, created)
	route(s, "POST /v1/runs/{id}/resume", "Let a run go on that a guard or a gap holds", launch, s.moveRun(s.engine.ResumeRun))
	route(s, "POST /v1/runs/{id}/stop", "End a run and cancel the rest of it", launch, s.moveRun(s.engine.StopRun))
	route(s, "POST /v1/runs/{id}/resend", "Send again to exactly those of a run whom it did not reach", launch, s.resend, created)
}
