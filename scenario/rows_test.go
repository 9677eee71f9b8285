package scenario

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A row is one scenario of the list: where it is held, or why it is not.
type row struct {
	id     string
	held   string // stories, and tests as "package:Test", with blanks between
	absent string // the reason why nothing holds it
}

const (
	delegates = "delegates come with their own room"
	relays    = "redeeming by others for a fee is in the contract, and nobody offers it yet"
)

// rows are the groups A to H and K of "Swaps".
var rows = []row{
	{"A1", "alice_never_locks mallory_never_begins swap/trade:TestFaultNeverBegun", ""},
	{"A2", "bob_never_locks both_agree_to_give_up", ""},
	{"A3", "every_pair_refunds everything_back_after_silence swap/trade:TestFaultNeverRedeemed", ""},
	{"A4", "bob_is_away_when_she_redeems swap/trade:TestFaultLate", ""},
	{"A5", "bob_is_away_too_long", ""},
	{"A6", "", delegates},
	{"A7", "bob_is_away_when_she_redeems", ""},
	{"A8", "maker_accepts_twice scenario:TestNoise", ""},
	{"A9", "maker_never_answers", ""},
	{"A10", "maker_never_answers offer_expires", ""},
	{"A11", "joint_signatures nonces_are_used_once contracts:TestPartnerVanishes", ""},
	{"A12", "both_agree_to_give_up everything_back_after_silence", ""},
	{"A13", "every_pair_swaps no_messages_after_the_locks", ""},
	{"A14", "no_messages_after_the_locks board_goes_away board_forgets swap:TestBoardIsDown", ""},

	{"B1", "lock_one_satoshi_short maker_locks_short", ""},
	{"B2", "lock_three_times_too_much twice_the_amount", ""},
	{"B3", "lock_split_in_two", ""},
	{"B4", "lock_another_script", ""},
	{"B5", "forged_takes maker_names_her_key", ""},
	{"B6", "forged_takes lock_another_time baits swap/trade:TestConsider", ""},
	{"B7", "forged_takes lock_another_hash", ""},
	{"B8", "forged_takes contracts:TestTermsCheck contracts:TestLockRefuses", ""},
	{"B9", "contracts:TestFindSecretOfOtherLength contracts:TestOnlyASecretRedeems", ""},
	{"B10", "contracts:TestFindSecretOfOtherLength contracts:TestOnlyASecretRedeems", ""},
	{"B11", "contracts:TestRedeem contracts:TestOnlyASecretRedeems", ""},
	{"B12", "forged_takes", ""},
	{"B13", "forged_takes", ""},
	{"B14", "contracts:TestLockBatchRefuses", ""},
	{"B15", "adapters/utxo:TestBothSidesHere adapters/evm:TestSecondLockOfOneLeg", ""},
	{"B16", "forged_takes", ""},
	{"B17", "adapters/evm:TestLookAlike", ""},
	{"B18", "baits forged_takes adapters/evm:TestCheck", ""},
	{"B19", "contracts:TestHostileTokenLock contracts:TestHostileTokenPayment contracts:TestBlockedParty", ""},
	{"B20", "contracts:TestBlockedParty", ""},
	{"B21", "contracts:TestLockRefuses contracts:TestSumBeyondAWord", ""},
	{"B22", "contracts:TestReentrantParty contracts:TestReentrantToken", ""},
	{"B23", "contracts:TestBatchIsNotPoisoned contracts:TestRefundBatchIsNotPoisoned", ""},
	{"B24", "contracts:TestSignedClaim contracts:TestSignedClaimBounds", ""},
	{"B25", "contracts:TestSignedClaimBounds", ""},
	{"B26", "contracts:TestFrontRunner", ""},
	{"B27", "adapters/peer:TestGreetingIsStrict adapters/peer:TestRuleBreakersAreSentOff", ""},
	{"B28", "mallory_says_things maker_accepts_twice", ""},
	{"B29", "mallory_says_things swap/trade:TestDecodeIsStrict swap/trade:FuzzDecode", ""},
	{"B30", "adapters/utxo:TestCosign contracts:TestCheckPayout", ""},
	{"B31", "lying_node adapters/utxo:TestLies", ""},
	{"B32", "adapters/utxo:TestBadNodes adapters/evm:FuzzNumbers", ""},
	{"B33", "adapters/utxo:TestDamagedBlocks", ""},
	{"B34", "maker_names_her_key", ""},
	{"B35", "contracts:TestRogueKey", ""},
	{"B36", "contracts:TestOneBitCloses adapters/utxo:TestCosign", ""},
	{"B37", "mallory_says_things swap/trade:TestRefundAsked", ""},

	{"C1", "contracts:TestFloor", ""},
	{"C2", "fees_rise_twentyfold adapters/utxo:TestHasten", ""},
	{"C3", "", delegates},
	{"C4", "adapters/utxo:TestRefusedOrders", ""},
	{"C5", "lock_waits_at_a_low_fee alice_locks_at_the_last_moment", ""},
	{"C6", "cheap_lock_is_mined contract_cheap_lock_is_mined", ""},
	{"C7", "fees_rise_twentyfold swap:TestWhatIsStaleIsMadeAgain", ""},
	{"C8", "adapters/evm:TestReserve", ""},
	{"C9", "adapters/smt:TestPrice", ""},
	{"C10", "token_is_approved_first adapters/evm:TestApprovals", ""},
	{"C11", "amounts_are_exact swap/trade:TestCostRounding", ""},
	{"C12", "wallet_is_empty not_enough_to_take", ""},
	{"C13", "wallet_is_empty adapters/utxo:TestReservation", ""},
	{"C14", "adapters/utxo:TestDustChange", ""},
	{"C15", "", "the desk locks each swap by itself, never in a batch"},

	{"D1", "lock_is_reorganised_away secret_kept_when_locks_shrink", ""},
	{"D2", "lock_is_spent_elsewhere", ""},
	{"D3", "reorganised_after_both_locked secret_kept_when_locks_shrink", ""},
	{"D4", "redeem_is_reorganised_away", ""},
	{"D5", "late_redeem_is_reorganised_away contract_late_redeem_is_reorganised_away no_reveal_that_may_lose_the_race swap/trade:TestLimitsAgainstModel", ""},
	{"D6", "reorganised_after_both_locked adapters/utxo:TestDeepReorganisation adapters/evm:TestForkDeeperThanKept", ""},
	{"D7", "redeem_is_reorganised_away adapters/evm:TestForksAgainstFullRead", ""},
	{"D8", "adapters/evm:TestForkDisplacesLock", ""},
	{"D9", "lock_waits_at_a_low_fee", ""},
	{"D10", "sent_into_the_void swap:TestAllThatIsStoredIsSentAgain", ""},
	{"D11", "chain_halts", ""},
	{"D12", "chain_halts", ""},
	{"D13", "refund_is_interrupted contracts:TestRefundTime", ""},
	{"D14", "forged_takes", ""},
	{"D15", "contracts:TestTemplates contracts:TestSizes", ""},
	{"D16", "adapters/utxo:TestHogExLock", ""},
	{"D17", "adapters/utxo:TestExtensionBlock adapters/utxo:TestWaitingWithExtension", ""},
	{"D18", "adapters/utxo:TestLargeWitness", ""},
	{"D19", "", "finality is counted in blocks here; the policy \"finalized\" is not offered"},
	{"D20", "contract_refund_before_its_time contracts:TestWindow", ""},
	{"D21", "contracts:TestWindow", ""},
	{"D22", "contracts:TestOutOfGas", ""},
	{"D23", "secret_in_the_pool no_reveal_that_may_lose_the_race swap/trade:TestLimitsAgainstModel", ""},
	{"D24", "secret_in_the_pool", ""},
	{"D25", "contracts:TestFindSecret contracts:FuzzFindSecret", ""},
	{"D26", "adapters/utxo:TestRealBtcd", ""},
	{"D27", "refund_is_reorganised_away", ""},
	{"D28", "contracts:TestRuntime", ""},
	{"D29", "adapters/evm:TestCheck adapters/utxo:TestOtherNetwork", ""},
	{"D30", "adapters/utxo:TestRealLitecoind", ""},
	{"D31", "joint_signatures contracts:TestTogetherShowsNothing adapters/utxo:TestLifeOfALock", ""},
	{"D32", "contracts:TestWindow", ""},
	{"D33", "", "no chain of ours counts another's blocks; time locks are timestamps"},

	{"E1", "stopped_before_the_first_save", ""},
	{"E2", "stored_lock_is_sent_again no_lock_after_the_last_moment own_lock_not_sent_late", ""},
	{"E3", "stored_lock_is_sent_again answer_of_the_store_is_lost swap/trade:TestMessagesModel", ""},
	{"E4", "scenario:TestCrashSweep", ""},
	{"E5", "stopped_before_the_lock no_lock_after_the_last_moment swap:TestLockAfterASleep", ""},
	{"E6", "chain_is_down_for_an_hour", ""},
	{"E7", "secret_kept_after_a_stop scenario:TestCrashSweep", ""},
	{"E8", "stored_lock_is_sent_again scenario:TestCrashSweep", ""},
	{"E9", "bob_learns_the_secret_and_stops", ""},
	{"E10", "refund_is_interrupted", ""},
	{"E11", "refund_is_interrupted", ""},
	{"E12", "swap:TestRefundIsRefused swap/trade:TestMayLeave web:TestRefundIsRefused cmd/photon:TestRefundSession", ""},
	{"E13", "nonces_are_used_once contracts:TestSessionIsNotStored", ""},
	{"E14", "adapters/store:TestMigrationKeepsTrades", ""},
	{"E15", "disk_is_full adapters/store:TestFullDisk adapters/store:TestReadOnly", ""},
	{"E16", "database_is_lost database_is_lost_by_the_taker swap:TestRescueIsOnce", ""},
	{"E17", "database_is_lost database_is_lost_by_the_taker", ""},
	{"E18", "adapters/store:TestOnlyOneProcess", ""},
	{"E19", "web:TestTakenOnce web:TestSameKeySameAnswer", ""},
	{"E20", "scenario:TestCrashSweep scenario:TestRandomStories", ""},
	{"E21", "", "keys are unlocked for as long as a node runs, and the refund is signed before the lock"},
	{"E22", "adapters/store:TestTenThousandTrades", ""},
	{"E23", "cmd/photon:TestStoppedWithASwapUnderWay cmd/photon:TestSecondSignalEndsAtOnce", ""},

	{"F1", "chain_is_down_for_an_hour", ""},
	{"F2", "adapters/evm:TestEndpointFails adapters/evm:TestOnlyEndpointDown", ""},
	{"F3", "stale_node adapters/evm:TestStaleHead adapters/utxo:TestNodeFallsBehind", ""},
	{"F4", "lying_node secret_kept_when_locks_shrink adapters/utxo:TestAgree adapters/evm:TestAgree", ""},
	{"F5", "sent_into_the_void", ""},
	{"F6", "answer_of_the_store_is_lost gas_rises adapters/evm:TestGapIsFilled adapters/evm:TestRaisesWhatIsInTheWay", ""},
	{"F7", "adapters/evm:TestSendAnswers adapters/evm:TestClassify", ""},
	{"F8", "adapters/evm:TestRedeemedByAnother", ""},
	{"F9", "adapters/evm:TestLogRangeLimited adapters/evm:TestRescanIsOnePass", ""},
	{"F10", "chain_is_down_for_an_hour", ""},
	{"F11", "scenario:TestNoise", ""},
	{"F12", "adapters/peer:TestCutAnywhereIsAnsweredOnce web:TestEventsResume", ""},
	{"F13", "scenario:TestNoise", ""},
	{"F14", "many_at_once swap:TestPartnerBindsFewAtOnce", ""},
	{"F15", "adapters/peer:TestFlood web:TestFloodPushesOutItself web:TestBoardRate", ""},
	{"F16", "", "there are no webhooks; events are fetched"},
	{"F17", "", relays},
	{"F18", "adapters/utxo:TestEstimateBounds adapters/evm:TestAbsurdPrice", ""},
	{"F19", "scenario/stage:TestRealWorld", ""},
	{"F20", "adapters/utxo:TestHiddenTransaction adapters/utxo:TestHiddenWitness adapters/utxo:TestWithheldBlocks adapters/evm:TestHiddenLog adapters/evm:TestWithheldBlocks", ""},

	{"G1", "alice_locks_at_the_last_moment offer_expires", ""},
	{"G2", "maker_locks_short maker_locks_late no_lock_after_the_last_moment no_reveal_that_may_lose_the_race", ""},
	{"G3", "safe_pace fast_pace swap/trade:TestNeedCoversTheWorstCase swap/trade:TestTimesAgainstModel", ""},
	{"G4", "redeems_after_his_time", ""},
	{"G5", "refund_before_its_time contract_refund_before_its_time", ""},
	{"G6", "refund_before_its_time contract_refund_before_its_time contracts:TestRefundTime contracts:TestWindow", ""},
	{"G7", "", "all time locks are Unix seconds; heights are refused, see B6"},
	{"G8", "", "legs off chain come with the payment node"},
	{"G9", "alice_locks_at_the_last_moment", ""},
	{"G10", "lock_twice", ""},
	// Held by what a node remembers of its partners and by how much it lets one of
	// them bind at once. Nobody puts down a bond.
	{"G11", "mallory_keeps_her_option swap:TestPartnerIsRefusedForAMonth swap:TestPartnerBindsFewAtOnce", ""},
	{"G12", "mallory_never_locks_thrice swap/trade:TestFaultNeverLocked swap/trade:TestStanding", ""},
	{"G13", "quote_expires", ""},
	{"G14", "both_agree_to_give_up swap:TestLeftBeforeTheLockIsMade", ""},
	{"G15", "mallory_says_things swap/trade:TestRefundAsked", ""},

	{"H1", "lock_twice adapters/utxo:TestFirstMinedCounts", ""},
	{"H2", "adapters/utxo:TestLifeOfALock", ""},
	{"H3", "adapters/utxo:TestOnlySegwit", ""},
	{"H4", "contracts:TestRelock adapters/evm:TestSecondLockOfOneLeg", ""},
	{"H5", "contracts:TestNobodyOccupiesAKey", ""},
	{"H6", "", "a node refuses to take its own offer"},
	{"H7", "adapters/utxo:TestAddresses adapters/ltc:TestRefusedAddresses", ""},
	{"H8", "adapters/ltc:TestRefusedAddresses", ""},
	{"H9", "", "what is redeemed goes to the node's own wallet and nowhere else"},
	{"H10", "adapters/keys:TestJournalRefusesWhatIsNotOurs", ""},
	{"H11", "", "what is refunded goes to the node's own wallet and nowhere else"},
	{"H12", "web:TestSpentLockIsNotRefundable swap/trade:TestMayLeave", ""},

	{"K1", "swap:TestTakesAreNotPromisedTwice", ""},
	{"K2", "lock_another_script contracts:TestLookalikes adapters/utxo:TestLookAlikes", ""},
	{"K3", "witness_scripts contracts:TestFindSecret contracts:TestAnnex", ""},
	{"K4", "swap/trade:TestVersion scenario:TestCrashSweep", ""},
	{"K5", "adapters/store:TestFinalStatusStays swap/trade:TestMoves", ""},
	{"K6", "swap/trade:TestWants", ""},
	{"K7", "swap/trade:TestSecondLearns", ""},
	{"K8", "swap/trade:TestAtRest", ""},
	{"K9", "", "nothing counts unmined"},
	{"K10", "lock_another_redeemer", ""},
	{"K11", "contracts:TestParseAddress", ""},
	{"K12", "swap/trade:TestRefundAsked", ""},
	{"K13", "mallory_says_things swap/trade:TestRefundAsked", ""},
	{"K14", "adapters/evm:TestSendAnswers", ""},
	{"K15", "contracts:TestAmountsCount", ""},
	{"K16", "contracts:TestSecretIsNeverPrinted contracts:TestSecretIsNeverLogged web:TestNothingLeaks scenario:TestStories", ""},
	{"K17", "swap/trade:TestSecondLearns", ""},
	{"K18", "contracts:TestGasLimits", ""},
	{"K19", "adapters/evm:TestClassify adapters/evm:FuzzClassify", ""},
	{"K20", "", "a quote is taken as it is or not at all; there are no replacement quotes"},
	{"K21", "adapters/store:TestSaveComparesVersions", ""},
	{"K22", "swap:TestWhatIsStaleIsMadeAgain", ""},
	{"K23", "lock_twice", ""},
	{"K24", "swap:TestSwapOfAnotherProtocol swap/trade:TestStoredTradeOfAnotherProtocol swap/trade:TestDecodeIsStrict", ""},
	{"K25", "", "no recipient is entered in a swap: the partner's keys come over his line and are checked against the lock, and what is redeemed goes to the node's own wallet"},
}

// Every row is held by what exists, and every story by the rows that it names.
func TestRows(t *testing.T) {
	told := map[string]Story{}
	for _, s := range stories(t) {
		name, _, _ := strings.Cut(s.Name, "/")
		told[name] = s
	}
	tests := map[string][]string{}
	absent, used := 0, map[string][]string{}
	for _, r := range slices.Concat(rows, payRows) {
		if (r.held == "") == (r.absent == "") {
			t.Errorf("%s: held by %q and absent for %q: it must be one of the two", r.id, r.held, r.absent)
		}
		if r.absent != "" {
			absent++
			t.Logf("%s is absent: %s", r.id, r.absent)
		}
		for _, h := range strings.Fields(r.held) {
			dir, test, isTest := strings.Cut(h, ":")
			if !isTest {
				if told[h].Name == "" {
					t.Errorf("%s: there is no story %s", r.id, h)
				}
				used[h] = append(used[h], r.id)
				continue
			}
			if tests[dir] == nil {
				tests[dir] = testsIn(t, filepath.Join("..", dir))
			}
			if !slices.Contains(tests[dir], test) {
				t.Errorf("%s: package %s has no %s", r.id, dir, test)
			}
		}
	}
	for name, s := range told {
		says, has := s.Rows(), used[name]
		slices.Sort(says)
		slices.Sort(has)
		if !slices.Equal(says, has) {
			t.Errorf("story %s says that it holds %v, the rows say %v", name, says, has)
		}
	}
	t.Logf("%d rows, %d of them absent for the reason given", len(rows)+len(payRows), absent)
}

// The list itself is whole: every group has its rows, in order.
func TestRowsAreWhole(t *testing.T) {
	most := map[string]int{"A": 14, "B": 37, "C": 15, "D": 33, "E": 23, "F": 20, "G": 15, "H": 12, "K": 25}
	i := 0
	for _, group := range []string{"A", "B", "C", "D", "E", "F", "G", "H", "K"} {
		for n := 1; n <= most[group]; n++ {
			if want := fmt.Sprintf("%s%d", group, n); i >= len(rows) || rows[i].id != want {
				t.Fatalf("row %d is not %s", i, want)
			}
			i++
		}
	}
	if i != len(rows) {
		t.Errorf("%d rows, want %d", len(rows), i)
	}
}

// testsIn are the names of tests in a folder.
func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, is := d.(*ast.FuncDecl); is && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
