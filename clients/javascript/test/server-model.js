/** The server as docs/realtime.md describes it, in memory: threads, windows, sync, idempotent sends, and a restore. */

/** @typedef {{kind: string, actor: string, user?: string, message?: any, about?: number, before?: any}} Stored */

export class ServerModel {
  epoch = "e1";
  commits = 0;
  /** @type {Map<string, {log: Stored[], windows: Map<string, [number, number | null][]>, changed: number, lost: Map<string, number>}>} */
  threads = new Map();
  /** @type {{thread: string, seq: number}[]} */
  history = [];

  /** @param {string} id @param {string[]} people */
  create(id, people) {
    const windows = new Map(people.map((person) => [person, /** @type {[number, number | null][]} */ ([[1, null]])]));
    this.threads.set(id, { log: [], windows, changed: 0, lost: new Map() });
    return this.#append(id, { kind: "thread.created", actor: people[0] ?? "" });
  }

  /** @param {string} id @param {string} person */
  sees(id, person) {
    return this.threads.get(id)?.windows.has(person) ?? false;
  }

  /** What was stored and must be pushed, or null for a thread that is hidden. @param {string} id @param {string} sender @param {any[]} messages */
  send(id, sender, messages) {
    const thread = this.threads.get(id);
    if (!thread || !this.#mayPost(id, sender)) return null;
    const results = [];
    const seqs = [];
    for (const { client_msg_id, message } of messages) {
      const known = thread.log.findIndex((each) => each.kind === "message.created" && each.message.client_msg_id === client_msg_id);
      if (known < 0) {
        const stored = { id: `${id}-${client_msg_id}`, thread_id: id, sender_id: sender, client_msg_id, message };
        seqs.push(this.#append(id, { kind: "message.created", actor: sender, message: stored }));
      }
      const seq = known < 0 ? thread.log.length : known + 1;
      results.push({ client_msg_id, status: known < 0 ? "ok" : "duplicate", id: "x", seq, code: null });
    }
    return { results, seqs, epoch: this.epoch };
  }

  /** @param {string} id @param {number} seq of the message @param {string} text @returns {number} of the edit */
  edit(id, seq, text) {
    const created = this.#event(id, seq);
    const before = created.message;
    created.message = { ...before, message: text };
    return this.#append(id, { kind: "message.edited", actor: "", about: seq, before });
  }

  /** @param {string} id @param {string} person @param {"none" | "all"} history */
  add(id, person, history) {
    const thread = /** @type {any} */ (this.threads.get(id));
    const seq = thread.log.length + 1;
    thread.windows.set(person, [[history === "all" ? 1 : seq, null]]);
    thread.lost.delete(person);
    return this.#append(id, { kind: "participant.added", actor: "", user: person });
  }

  /** @param {string} id @param {string} person */
  remove(id, person) {
    const thread = /** @type {any} */ (this.threads.get(id));
    thread.windows.delete(person);
    const seq = this.#append(id, { kind: "participant.removed", actor: "", user: person });
    thread.lost.set(person, this.commits);
    return seq;
  }

  /** Back to an earlier moment: the last commits never happened, and their numbers will be used again. @param {number} cut */
  restore(cut) {
    const lost = this.history.slice(this.history.length - cut).filter(({ seq }) => seq > 1);
    this.history = this.history.filter((each) => !lost.includes(each));
    for (const { thread } of lost.reverse()) {
      const kept = /** @type {any} */ (this.threads.get(thread));
      const undone = kept.log.pop();
      if (undone.before) kept.log[undone.about - 1].message = undone.before;
      if (undone.kind === "participant.removed") kept.windows.set(undone.user, [[1, null]]);
      if (undone.kind === "participant.added") kept.windows.delete(undone.user);
    }
    this.epoch += "+";
    this.commits += 1;
  }

  /** An `events` frame without `re`, as it is pushed, or null for who does not see it. @param {string} id @param {number} seq @param {string} person */
  push(id, seq, person) {
    if (!this.#inside(id, seq, person)) return null;
    const head = this.threads.get(id)?.log.length;
    return {
      type: "events", thread_id: id, epoch: this.epoch, from_seq: seq, to_seq: seq, head_seq: head, more: false,
      events: [this.#frame(id, seq)],
    };
  }

  /** @param {string} person @param {any} asked @param {number} limit */
  sync(person, { id: re, since, cursors }, limit) {
    const frames = [];
    const gone = [];
    for (const [id, { epoch, seq }] of Object.entries(cursors)) {
      if (!this.sees(id, person)) gone.push(id);
      else frames.push(...this.#replay(id, person, epoch, seq, limit).map((frame) => ({ ...frame, re })));
    }
    const [token, from] = (since ?? ":-1").split(":");
    const horizon = token === this.epoch ? Number(from) : -1;
    const threads = [];
    for (const [id, thread] of this.threads) {
      const me = { role: "participant", read_seq: 0, windows: thread.windows.get(person) };
      if (me.windows && thread.changed >= horizon) threads.push({ thread_id: id, epoch: this.epoch, head_seq: thread.log.length, me });
      if ((thread.lost.get(person) ?? -2) >= horizon && token === this.epoch) gone.push(id);
    }
    const synced = { type: "synced", re, inbox_head: null };
    const parts = threads.map((each, before) => ({ ...synced, threads: [each], gone: [], part: before + 1, more: true, since: null }));
    return [...frames, ...parts, { ...synced, threads: [], gone, part: threads.length + 1, more: false, since: `${this.epoch}:${this.commits}` }];
  }

  /** The newest page, or null. @param {string} id @param {string} person @param {number} limit */
  page(id, person, limit) {
    if (!this.sees(id, person)) return null;
    const all = this.visible(id, person);
    const data = all.slice(-limit);
    return { data, next_cursor: data.length < all.length ? "more" : null, head_seq: this.threads.get(id)?.log.length ?? 0, epoch: this.epoch };
  }

  /** The messages that a person sees, as they are now. @param {string} id @param {string} person */
  visible(id, person) {
    return (this.threads.get(id)?.log ?? []).flatMap((each, index) =>
      each.kind === "message.created" && this.#inside(id, index + 1, person) ? [{ ...each.message, seq: index + 1 }] : [],
    );
  }

  /** @param {string} id @param {string} person @param {string} epoch @param {number} seq @param {number} limit */
  #replay(id, person, epoch, seq, limit) {
    const thread = /** @type {any} */ (this.threads.get(id));
    const head = thread.log.length;
    const resync = epoch !== this.epoch ? "epoch_changed" : seq > head ? "unknown_cursor" : head - seq > 40 ? "gap_too_large" : null;
    if (resync) return [{ type: "resync_required", thread_id: id, reason: resync, epoch: this.epoch, head_seq: head }];
    const to = Math.min(head, seq + limit);
    /** @type {any[]} */
    const events = [];
    for (let at = seq + 1; at <= to; at += 1) {
      if (this.#inside(id, at, person)) events.push(this.#frame(id, at));
      else if (events.at(-1)?.kind === "void") events.at(-1).to_seq = at;
      else events.push({ kind: "void", seq: at, to_seq: at });
    }
    const half = Math.ceil(events.length / 2);
    return [events.slice(0, half), events.slice(half)].filter((page) => page.length).map((page) => ({
      type: "events", thread_id: id, epoch: this.epoch, from_seq: page[0]?.seq, to_seq: page.at(-1)?.to_seq ?? page.at(-1)?.seq,
      head_seq: head, more: to < head, events: page,
    }));
  }

  /** An event about a message is seen by who sees both. @param {string} id @param {number} seq @param {string} person @returns {boolean} */
  #inside(id, seq, person) {
    const windows = this.threads.get(id)?.windows.get(person) ?? [];
    const { about } = this.#event(id, seq);
    return windows.some(([from, to]) => seq >= from && (to === null || seq <= to)) && (!about || this.#inside(id, about, person));
  }

  /** @param {string} id @param {number} seq */
  #frame(id, seq) {
    const { kind, actor, user, message, about } = this.#event(id, seq);
    const of = about ?? seq;
    const shown = about ? this.#event(id, about).message : message;
    return {
      seq, kind, actor_id: actor, at: `t${this.commits}`,
      ...(user && { participant: { user_id: user } }), ...(shown && { message: { ...shown, seq: of } }),
    };
  }

  /** @param {string} id @param {number} seq @returns {Stored} */
  #event(id, seq) {
    return /** @type {any} */ (this.threads.get(id)).log[seq - 1];
  }

  /** @param {string} id @param {string} person */
  #mayPost(id, person) {
    return this.threads.get(id)?.windows.get(person)?.at(-1)?.[1] === null;
  }

  /** @param {string} id @param {Stored} event */
  #append(id, event) {
    const thread = /** @type {any} */ (this.threads.get(id));
    this.commits += 1;
    thread.changed = this.commits;
    this.history.push({ thread: id, seq: thread.log.push(event) });
    return thread.log.length;
  }
}
