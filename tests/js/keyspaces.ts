// Checked by tsc, not run: what a program of TypeScript does with the generated modules of the systems.
import * as automation from "./keyspaces/automation.js";
import * as cacheService from "./keyspaces/cache_service.js";
import * as copilot from "./keyspaces/copilot.js";
import * as council from "./keyspaces/council.js";
import * as phoenix from "./keyspaces/phoenix.js";

interface Redis {
  set(key: string, value: string, options?: { EX: number }): Promise<unknown>;
  get(key: string): Promise<string | null>;
  hSet(key: string, fields: { [name: string]: string }): Promise<unknown>;
  expire(key: string, seconds: number): Promise<unknown>;
  lPush(key: string, item: string): Promise<number>;
}

export async function use(redis: Redis): Promise<number> {
  const health: council.HashFields<council.ProviderHealth> = { status: "healthy", successRate: "0.99", avgLatency: "250" };
  await redis.hSet(council.providerHealthKey("openai"), { ...health });
  const seconds: 300 = council.keyspaces.providerHealth.ttlSeconds;
  await redis.expire(council.providerHealthKey("openai"), seconds);
  // @ts-expect-error: there is no such status.
  const wrong: council.HealthStatus = "well";
  // @ts-expect-error: in a hash a number is text.
  const number: council.HashFields<council.RequestStatus> = { status: wrong, progress: 40 };
  // @ts-expect-error: a field that is null is absent in a hash.
  const failure: council.HashFields<council.ProviderHealth> = { ...health, lastFailure: null };
  // @ts-expect-error: a session has an identifier.
  council.sessionKey();

  const policy: copilot.LlmPolicy = { tenantId: "acme", allowRemoteEgress: false, region: "eu" };
  await redis.set(copilot.policyKey("acme"), JSON.stringify(policy), { EX: copilot.keyspaces.policy.ttlSeconds });
  const own: copilot.Records["userConfig"] = JSON.parse((await redis.get(copilot.userConfigKey("acme", "ada"))) ?? "null");
  const model: string | null | undefined = own?.model;

  const session: phoenix.Session = JSON.parse((await redis.get(phoenix.sessionKey("c-1"))) ?? "{}");
  const isOver: boolean = session.state !== "Active";
  const entry: cacheService.Records["profile"] = "{}";
  await redis.set(cacheService.profileKey("123"), entry);

  const notice: automation.Records["announcements"] = { type: "maintenance", title: String(model), message: String(isOver), priority: "high" };
  void number;
  void failure;
  return redis.lPush(automation.announcementsKey(), JSON.stringify(notice));
}
