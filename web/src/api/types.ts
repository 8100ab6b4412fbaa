/** The API's types under the names that the portal uses. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Problem = Schemas['Problem'];
export type Why = Schemas['Why'];
export type Tier = Schemas['Tier'];

export type AccountSession = Schemas['AccountSession'];
export type Role = Schemas['Role'];
export type SignIn = Schemas['SignInRequest'];
export type Key = Schemas['KeyView'];
export type NewKey = Schemas['NewKeyView'];
/** What a person may make a key for. */
export type KeyScope = Extract<Schemas['TokenScope'], 'artist' | 'broadcaster' | 'enrol'>;

export type Job = Schemas['JobView'];
export type JobSpec = Schemas['JobSpec'];
export type JobState = Schemas['JobState'];
export type JobEvent = Schemas['JobEvent'];
export type Frame = Schemas['FrameView'];
export type FrameTiles = Schemas['TilesView'];
export type Tile = Schemas['TileView'];
export type LogEntry = Schemas['LogEntry'];
export type Receipt = Schemas['Receipt'];
export type Verdict = Schemas['Verdict'];
export type Upload = Schemas['UploadView'];
export type QuoteRequest = Schemas['QuoteRequest'];
export type Quote = Schemas['QuoteView'];

export type Node = Schemas['NodeView'];
export type Wish = Schemas['NodeWish'];
export type Earnings = Schemas['EarningsView'];
export type Payout = Schemas['PayoutView'];
export type Ledger = Schemas['LedgerView'];
export type LedgerEntry = Schemas['EntryView'];

export type Stream = Schemas['StreamView'];
export type StreamState = Schemas['StreamState'];
export type StreamKey = Schemas['StreamKeyView'];
export type Broadcast = Schemas['SessionView'];
export type Segment = Schemas['SegmentView'];
export type HealthNote = Schemas['HealthNote'];
export type Latency = Schemas['Latency'];
export type Rendition = Schemas['Rendition'];
export type VideoCodec = Schemas['VideoCodec'];
export type Webhook = Schemas['WebhookView'];
export type Delivery = Schemas['DeliveryView'];
export type Worker = Schemas['WorkerView'];
export type Gateway = Schemas['GatewayView'];
