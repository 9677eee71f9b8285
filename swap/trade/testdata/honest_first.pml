/* First is honest, Second does whatever the chains and the clocks allow: does First, once his lock is redeemed, always
   have Second's? The measures are those of honest_second.pml, and how to run it is said there. */
#define GIVEN(x) c_code { now.x = atoi(getenv(#x)); }
byte TB;                     /* when Second's lock can be refunded; First's, later, plays no part here */
byte SHOWBY;                 /* when First may show the secret at the latest */
byte MINEB;                  /* how long First's redeem may wait to be mined */
byte DEEPB;                  /* age at which First takes Second's lock for good */
byte UNDOB;                  /* how much longer a reorganisation may take either out again */
byte AWAY;                   /* for how long First is away, in one piece or in several */
byte GAP;                    /* 1: he may go away, too, between the secret's showing by message and his redeem's sending */
byte SKEW;                   /* how far the chain's time may be ahead of First's clock */
byte END;

mtype = { no, yes, gone };   /* what a lock is */
mtype = { nobody, first, second };
mtype lock = no;             /* Second's */
mtype got = nobody;          /* who has spent it */
byte age;                    /* of it, as far as it matters */
bool sent;                   /* First's redeem of it */
byte since;                  /* how long ago, up to MINEB + UNDOB */
bool paid;                   /* Second has redeemed First's lock */
byte now, away;
bool up = true, secret;

#define mustRedeem (secret && lock == yes && got == nobody && !sent)
#define waits      (lock == yes && got == nobody && sent)

proctype First() {           /* need not show the secret; once he has, he must redeem */
	do
	:: atomic { up && !secret && lock == yes && got == nobody && age >= DEEPB && now <= SHOWBY -> secret = true }
	:: atomic { up && mustRedeem -> sent = true }
	:: atomic { up && away < AWAY && (GAP || !mustRedeem) -> up = false }
	:: atomic { !up -> up = true }
	:: now == END -> break
	od
}

proctype Second() {          /* may act at the last moment, or never */
	do
	:: atomic { lock == no -> lock = yes }
	:: atomic { secret && !paid -> paid = true }
	:: atomic { lock == yes && got == nobody && now + SKEW >= TB -> got = second }
	:: now == END -> break
	od
}

proctype Chains() {          /* mine and undo what First sent; a lock that is undone is spent elsewhere by Second */
	do
	:: atomic { waits -> got = first }
	:: atomic { got == first && since < MINEB + UNDOB -> got = nobody }
	:: atomic { lock == yes && got == nobody && age < UNDOB -> lock = gone }
	:: now == END -> break
	od
}

inline older(x, most) { if :: x < most -> x++ :: else fi }

proctype Clock() {           /* time stands while First, who is there, must act, and while a chain has no more time */
	do
	:: atomic { now < END && !(up && mustRedeem) && (up || away < AWAY) && !(waits && since >= MINEB) ->
		now++;
		if :: !up -> away++ :: else fi;
		if :: lock == yes -> older(age, DEEPB + UNDOB) :: else fi;
		if :: sent -> older(since, MINEB + UNDOB) :: else fi
	   }
	:: atomic { now == END -> assert(!paid || got == first); break }
	od
}

init {
	atomic {
		GIVEN(TB); GIVEN(SHOWBY); GIVEN(MINEB); GIVEN(DEEPB); GIVEN(UNDOB); GIVEN(AWAY); GIVEN(GAP); GIVEN(SKEW);
		END = SHOWBY + AWAY + MINEB + UNDOB + 1; /* by then First's redeem is final */
		run First(); run Second(); run Chains(); run Clock()
	}
}
