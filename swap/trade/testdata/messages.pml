/* Two honest desks agree on a trade and lock, over a network that loses, doubles, delays and reorders messages, and with
   a stop at any moment: nobody ever makes two locks for one trade, or makes one after LockBy, or sends one after RevealBy,
   or cancels a trade with his lock out.

   What is on disk outlives a stop, what is in memory does not. A message that was told once may come at any later time,
   any number of times, or never: so the network is a set. What is one save is one atomic step; a call of a chain's node
   takes time, so the clock is looked at again after it. FAULT breaks one rule, to see that each is needed. */
#define GIVEN(x) c_code { now.x = atoi(getenv(#x)); }
#define FIRST 0
#define SECOND 1
byte FAULT;   /* 1: sends a lock before it is stored   2: looks at the clock only before a lock is made
                 3: makes one without a look at the disk   4: sends what is stored whatever the time */
byte hour;    /* 0: locks may be made   1: after LockBy   2: after RevealBy */
bool told[2]; /* the network: First's take, Second's accept */

mtype = { none, proposed, agreed, locking, cancelled };
mtype = { idle, asked, made, sends };
typedef Desk {
	mtype status = none;    /* on disk, in one save with the letter: a message that waits to be told */
	bool letter, stored;    /* stored: on disk, the bytes of the lock */
	mtype does = idle;      /* in memory: what the worker is at */
	bool sent;              /* the stored lock is on its chain */
	byte locks              /* how many were ever sent */
}
Desk d[2];

inline send(i) {
	assert(hour < 2);
	if :: !d[i].sent -> d[i].sent = true; d[i].locks++ :: else fi;
	assert(d[i].locks == 1)
}

proctype Person(byte i) {
	do
	/* What is said. A repeated take or accept finds another status, and changes nothing. */
	:: atomic { i == FIRST && d[i].status == none -> d[i].status = proposed; d[i].letter = true }
	:: atomic { i == SECOND && told[FIRST] && d[i].status == none && hour == 0 -> d[i].status = agreed; d[i].letter = true }
	:: atomic { d[i].letter -> told[i] = true }
	:: atomic { d[i].letter && told[i] -> d[i].letter = false }
	:: atomic { i == FIRST && told[SECOND] && d[i].status == proposed -> d[i].status = (hour == 0 -> locking : cancelled) }
	:: atomic { i == SECOND && d[FIRST].sent && d[i].status == agreed -> d[i].status = (hour == 0 -> locking : cancelled) }
	:: atomic { d[i].status == proposed || d[i].status == agreed -> d[i].status = cancelled }
	/* The lock: a look at disk and clock, the node's answer, the save, the sending. */
	:: atomic { d[i].does == idle && d[i].status == locking && d[i].stored && FAULT != 3 -> d[i].does = sends }
	:: atomic { d[i].does == idle && d[i].status == locking && (!d[i].stored || FAULT == 3) && hour == 0 -> d[i].does = asked }
	:: atomic { d[i].does == idle && d[i].status == locking && !d[i].stored && hour > 0 -> d[i].status = cancelled }
	:: atomic { d[i].does == asked -> d[i].does = made }
	:: atomic { d[i].does == made && FAULT == 1 && hour == 0 -> d[i].sent = false; send(i); d[i].stored = true; d[i].does = idle }
	:: atomic { d[i].does == made && FAULT == 1 && hour == 0 -> d[i].sent = false; send(i); d[i].does = idle } /* stopped in between */
	:: atomic { d[i].does == made && FAULT != 1 && (hour == 0 || FAULT == 2) ->
		assert(hour == 0); d[i].stored = true; d[i].sent = false; d[i].does = sends }
	:: atomic { d[i].does == made && hour > 0 && FAULT != 2 -> d[i].does = idle }
	:: atomic { d[i].does == sends && (hour < 2 || FAULT == 4) -> send(i); d[i].does = idle }
	:: atomic { d[i].does == sends && hour == 2 -> d[i].does = idle }
	/* A stop. */
	:: atomic { d[i].does != idle -> d[i].does = idle }
	:: hour == 2 && d[i].does == idle -> assert(d[i].status != cancelled || d[i].locks == 0); break
	od
}

proctype Clock() { hour++; hour++ }

init { atomic { GIVEN(FAULT); run Person(FIRST); run Person(SECOND); run Clock() } }
