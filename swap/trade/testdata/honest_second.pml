/* Second is honest, First does whatever the chains and the clocks allow: does Second, once his lock is redeemed, always
   have First's? Time runs in units; the measures come from the environment, so that one build serves all of them:

     spin -a honest_second.pml && cc -O2 -DSAFETY -DBFS -o pan pan.c
     TA=16 TB=6 LOCKBY=1 LAG=1 MINEA=1 DEEPA=2 UNDOA=2 MINEB=2 UNDOB=1 AWAY=1 SKEW=1 ./pan -w20

   A transaction of Second's is mined at the latest MINE after it was sent, whatever the fees. UNDO more, a reorganisation
   may take it out of its chain again, and anything valid may take its place. Only his lock is mined at once: he makes it
   long before TB. */
#define GIVEN(x) c_code { now.x = atoi(getenv(#x)); }
byte TA, TB;          /* when the locks on a (First's) and on b (Second's) can be refunded */
byte LOCKBY;          /* when Second may lock at the latest */
byte LAG;             /* how long after TB the refund on b may open: median time past */
byte MINEA, MINEB;
byte DEEPA;           /* age at which Second takes First's lock for good */
byte UNDOA, UNDOB;
byte AWAY;            /* for how long Second is away, in one piece or in several */
byte SKEW;            /* how far a's time may be ahead of b's */
byte END;

mtype = { no, yes, gone };   /* what a lock is */
mtype = { nobody, first, second };
typedef Leg {
	mtype lock = no;
	mtype got = nobody;      /* who has spent it */
	byte age;                /* of First's lock, as far as it matters */
	bool sent;               /* Second's spend: his refund on b, his redeem on a */
	byte since               /* how long ago, up to MINE + UNDO */
}
Leg a, b;
byte now, away;
bool up = true, open, secret;

#define mustRefund (b.lock == yes && b.got == nobody && open && !b.sent)
#define mustRedeem (secret && a.lock == yes && a.got == nobody && !a.sent)
#define waits(l)   (l.lock == yes && l.got == nobody && l.sent)

proctype First() {           /* may act at the last moment, or never */
	do
	:: atomic { a.lock == no -> a.lock = yes }
	:: atomic { b.lock == yes && b.got == nobody -> b.got = first; secret = true }
	:: atomic { a.lock == yes && a.got == nobody && now + SKEW >= TA -> a.got = first }
	:: now == END -> break
	od
}

proctype Second() {
	do
	:: atomic { up && a.lock == yes && a.got == nobody && a.age >= DEEPA && b.lock == no && now <= LOCKBY -> b.lock = yes }
	:: atomic { up && mustRefund -> b.sent = true }
	:: atomic { up && mustRedeem -> a.sent = true }
	:: atomic { up && away < AWAY -> up = false }
	:: atomic { !up -> up = true }
	:: now == END -> break
	od
}

proctype Chains() {          /* mine and undo what Second sent; a lock that is undone is spent elsewhere by First */
	do
	:: atomic { !open && now >= TB -> open = true }
	:: atomic { waits(b) -> b.got = second }
	:: atomic { waits(a) -> a.got = second }
	:: atomic { b.got == second && b.since < MINEB + UNDOB -> b.got = nobody }
	:: atomic { a.got == second && a.since < MINEA + UNDOA -> a.got = nobody }
	:: atomic { a.lock == yes && a.got == nobody && a.age < UNDOA -> a.lock = gone }
	:: now == END -> break
	od
}

inline older(x, most) { if :: x < most -> x++ :: else fi }

proctype Clock() {           /* time stands while Second, who is there, must act, and while a chain has no more time */
	do
	:: atomic { now < END && !(up && (mustRefund || mustRedeem)) && (up || away < AWAY) && !(now >= TB + LAG && !open) &&
			!(waits(a) && a.since >= MINEA) && !(waits(b) && b.since >= MINEB) ->
		now++;
		if :: !up -> away++ :: else fi;
		if :: a.lock == yes -> older(a.age, DEEPA + UNDOA) :: else fi;
		if :: a.sent -> older(a.since, MINEA + UNDOA) :: else fi;
		if :: b.sent -> older(b.since, MINEB + UNDOB) :: else fi
	   }
	:: atomic { now == END -> assert(b.got != first || a.got == second); break }
	od
}

init {
	atomic {
		GIVEN(TA); GIVEN(TB); GIVEN(LOCKBY); GIVEN(LAG); GIVEN(MINEA); GIVEN(MINEB); GIVEN(DEEPA); GIVEN(UNDOA); GIVEN(UNDOB);
		GIVEN(AWAY); GIVEN(SKEW);
		END = TB + LAG + MINEB + UNDOB + AWAY + MINEA + UNDOA + 1; /* by then all of Second's is final */
		run First(); run Second(); run Chains(); run Clock()
	}
}
