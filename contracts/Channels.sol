// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SecretRegistry} from "./SecretRegistry.sol";

/// Holds the channels of all tokens on one chain. Two parties put money into a
/// channel, pay each other with signed words that this contract does not see, and
/// bring their newest words here when one of them closes.
///
///     open ──▶ deposit, withdraw ──▶ close ─── window ───▶ ── punish time ──▶ settle
///                  │                   update, unlock         punish
///                  └─▶ closeTogether                          (from close on)
///
/// A channel is named by its parties, its token and the block of its opening. It
/// cannot end in that block, so no name is ever used twice. Its first party is the
/// one with the lower address.
///
/// What a party has sent is one number that only grows, transferred; what it may
/// yet owe is a list of locks. A withdrawal writes both balances anew as deposits
/// and raises the epoch: every word of an older epoch is void.
///
/// Every word is signed as typed data over its kind, this chain, this contract, the
/// channel and the epoch. Nobody owns, upgrades, pauses or destroys this contract.
/// It is compiled for Byzantium, so the same bytecode runs on Spectrum and Ethereum.
///
/// Tokens: what arrives is measured against what is held of that token, and what
/// has arrived is credited, never more. A payment that fails becomes a claim of the
/// one who should have had it, so nobody can hold up the other's money.
contract Channels {
    /// A channel's name. Its id is keccak256(abi.encode(name)).
    struct Name {
        address token; // zero is the native coin
        address first; // lower than second
        address second;
        uint256 opened; // block
    }

    /// What one party has said last of all it has sent to the other.
    struct Proof {
        uint64 nonce; // from 1 on
        uint256 transferred;
        bytes32 locks; // keccak256 of the lock list, zero when there is none
    }

    /// A lock promises amount to the partner if the secret of hash is registered at
    /// or before block expiry.
    struct Lock {
        uint256 amount;
        uint256 expiry;
        bytes32 hash; // SHA-256 of the 32-byte secret
    }

    /// What is stored of one party's word after close: the hash of this.
    struct Claim {
        uint256 transferred;
        bytes32 locks;
        uint256 unlocked; // sum of the locks that were paid out
        uint256 taken; // bit i: lock i of the list was paid out
    }

    /// A signature, v 27 or 28 and s in the lower half.
    struct Sig {
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    struct Channel {
        // one slot
        uint32 window; // blocks; zero is no channel
        uint64 end; // last block of the window; zero is not closed
        uint32 epoch;
        bool closedByFirst;
        uint64 nonce; // of what the one who closed has said; the other's word is final
        // one slot
        uint128 firstDeposit;
        uint128 secondDeposit;
        // what each has said, after close
        bytes32 firstClaim;
        bytes32 secondClaim;
    }

    event Opened(bytes32 indexed id, address indexed first, address indexed second, address token, uint256 window);
    event Deposited(
        bytes32 indexed id, address indexed first, address indexed second, uint256 epoch, bool byFirst, uint256 total
    );
    event Withdrawn(
        bytes32 indexed id,
        address indexed first,
        address indexed second,
        uint256 epoch, // the new one
        uint256 firstTotal, // what is left in the channel
        uint256 secondTotal
    );
    event Closed(
        bytes32 indexed id,
        address indexed first,
        address indexed second,
        uint256 epoch,
        bool byFirst,
        uint64 nonce, // of what the other has said
        uint256 transferred,
        bytes32 locks
    );
    event Updated(
        bytes32 indexed id,
        address indexed first,
        address indexed second,
        uint256 epoch,
        bool byFirst, // whose word it is
        uint64 nonce,
        uint256 transferred,
        bytes32 locks
    );
    event Unlocked(
        bytes32 indexed id,
        address indexed first,
        address indexed second,
        uint256 epoch,
        bool byFirst, // whose locks they are
        uint256 unlocked, // sum so far
        uint256 taken // bits so far
    );
    event Punished(bytes32 indexed id, address indexed first, address indexed second, uint256 epoch, bool wasFirst);
    event Settled(
        bytes32 indexed id,
        address indexed first,
        address indexed second,
        uint256 epoch,
        uint256 firstAmount,
        uint256 secondAmount
    );
    event Owed(address indexed token, address indexed owner, uint256 amount);
    event Collected(address indexed token, address indexed owner, uint256 amount);

    error BadParties(); // zero, or one and the same
    error BadWindow(); // outside MIN_WINDOW and MAX_WINDOW
    error BadSender(); // who sends has no say in this
    error BadData(); // of a token's call: not an order that is known
    error BadAmount(); // nothing, not what was sent, or in one channel more than 128 bits hold
    error BadToken(); // did not do as asked
    error BadSum(); // both balances are not what is in the channel, or less than is taken
    error BadNonce(); // not newer, or none for a word that says something
    error BadClaim(); // not what is stored
    error BadLocks(); // not the list of the claim, or more than 256 locks
    error BadSignature();
    error NoChannel();
    error AlreadyOpen(); // in this block, between these parties
    error AlreadyClosed();
    error NotClosed();
    error TooSoon(); // in the block of the opening, before the window and the punish time are over, or while the list of who closed may be replaced
    error TooLate(); // after the word's last block, or after the window
    error NothingToUnlock(); // no lock that is asked for, is in time and was not paid out
    error NotTaken(); // the lock was not paid out
    error NothingOwed();
    error LowGas(); // a payment could fail for want of gas

    /// Three reveal windows of thirty blocks: whoever must answer has time for it.
    uint256 public constant MIN_WINDOW = 90;
    /// Two weeks of blocks of twelve seconds.
    uint256 public constant MAX_WINDOW = 100800;
    /// Gas for one payment, so that no recipient or token can use up the other's.
    uint256 private constant PAY_GAS = 200000;
    /// What must be left beside it: the 64th that a caller keeps, and the price of
    /// paying coins to an account that is new.
    uint256 private constant PAY_MARGIN = PAY_GAS / 63 + 40000;

    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant OPEN =
        keccak256("Open(address token,address by,address partner,uint256 window,address opener,uint256 until)");
    bytes32 private constant PROOF =
        keccak256("Proof(bytes32 channel,uint256 epoch,uint64 nonce,uint256 transferred,bytes32 locks)");
    bytes32 private constant UPDATE =
        keccak256("Update(bytes32 channel,uint256 epoch,uint64 nonce,uint256 transferred,bytes32 locks)");
    bytes32 private constant UNLOCK = keccak256("Unlock(bytes32 channel,uint256 epoch,bytes32 locks,uint256 take)");
    bytes32 private constant DISPOSE = keccak256("Dispose(bytes32 channel,uint256 epoch,bytes32 lock)");
    bytes32 private constant WITHDRAW = keccak256(
        "Withdraw(bytes32 channel,uint256 epoch,uint256 until,uint256 firstBalance,uint256 secondBalance,uint256 firstTakes,uint256 secondTakes)"
    );
    bytes32 private constant CLOSE_TOGETHER = keccak256(
        "CloseTogether(bytes32 channel,uint256 epoch,uint256 until,uint256 firstBalance,uint256 secondBalance)"
    );

    bytes32 private immutable domain;
    SecretRegistry public immutable secrets;
    /// Blocks after the window in which a taken lock that was disposed is punished.
    uint256 public immutable punishBlocks;

    mapping(bytes32 id => Channel) private channels;
    /// What of each token is held for channels and for claims. Less than the balance
    /// when somebody has sent tokens for nothing.
    mapping(address token => uint256) public held;
    /// What a failed payment has left to be collected.
    mapping(address token => mapping(address owner => uint256)) public owed;

    /// The chain's id is given: Byzantium cannot ask for it.
    constructor(uint256 chain, SecretRegistry registry, uint256 blocks) {
        domain = keccak256(abi.encode(DOMAIN, keccak256("Photon Channels"), keccak256("1"), chain, address(this)));
        secrets = registry;
        punishBlocks = blocks;
    }

    /// The channel with this id; all zero when there is none.
    function channel(bytes32 id) external view returns (Channel memory) {
        return channels[id];
    }

    // Open and deposit

    /// Opens a channel with partner, and puts amount of the sender into it.
    function open(address token, address partner, uint256 window, uint256 amount) external payable {
        (Name memory n, bool isFirst) = _open(token, msg.sender, partner, window);
        _deposit(n, isFirst, msg.sender, amount);
    }

    /// Opens a channel for by, who has signed that opener may, or anybody when that
    /// is zero, until a block. The sender's amount is by's deposit.
    function openSigned(
        address token,
        address by,
        address partner,
        uint256 window,
        address opener,
        uint256 until,
        Sig calldata sig,
        uint256 amount
    ) external payable {
        if (block.number > until) revert TooLate();
        if (opener != address(0) && opener != msg.sender) revert BadSender();
        _signed(by, keccak256(abi.encode(OPEN, token, by, partner, window, opener, until)), sig);
        (Name memory n, bool isFirst) = _open(token, by, partner, window);
        _deposit(n, isFirst, msg.sender, amount);
    }

    /// Adds amount of the sender to what a party has in the channel.
    function deposit(Name calldata n, bool byFirst, uint256 amount) external payable {
        if (amount == 0) revert BadAmount();
        _deposit(n, byFirst, msg.sender, amount);
    }

    /// As deposit, with the sender's permit to take the tokens. That somebody else
    /// has brought the permit first does not matter.
    function depositPermit(Name calldata n, bool byFirst, uint256 amount, uint256 deadline, Sig calldata sig) external {
        if (amount == 0) revert BadAmount();
        bytes memory ask = abi.encodeWithSignature(
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            msg.sender,
            address(this),
            amount,
            deadline,
            sig.v,
            sig.r,
            sig.s
        );
        address token = n.token;
        assembly ("memory-safe") {
            pop(call(gas(), token, 0, add(ask, 32), mload(ask), 0, 0))
        }
        _deposit(n, byFirst, msg.sender, amount);
    }

    // What tokens call. The caller is the token; what it says of the payer is his. A
    // token that makes calls which others choose (ERC827) has given away whatever was
    // approved to anyone who takes its word.

    /// ERC20 with approveAndCall: the tokens are fetched.
    function receiveApproval(address from, uint256 amount, address token, bytes calldata data) external {
        if (token != msg.sender) revert BadSender();
        (Name memory n, bool isFirst) = _order(from, data);
        _pull(token, from, amount);
        _credit(n, isFirst, _arrived(token, amount));
    }

    /// ERC223, as first written: the tokens are here.
    function tokenFallback(address from, uint256 amount, bytes calldata data) external {
        _received(from, amount, data);
    }

    /// ERC223, as it ended.
    function tokenReceived(address from, uint256 amount, bytes calldata data) external returns (bytes4) {
        _received(from, amount, data);
        return this.tokenReceived.selector;
    }

    /// ERC1363. One who spends another's allowance may not say what is done with it.
    function onTransferReceived(address operator, address from, uint256 amount, bytes calldata data)
        external
        returns (bytes4)
    {
        if (operator != from) revert BadSender();
        _received(from, amount, data);
        return this.onTransferReceived.selector;
    }

    // Withdraw and close together

    /// Takes money out of the channel without closing it. Both have signed what each
    /// has, which is all there is, and what each takes. Words said before are void.
    function withdraw(
        Name calldata n,
        uint256 until,
        uint256[2] calldata balances,
        uint256[2] calldata takes,
        Sig calldata firstSig,
        Sig calldata secondSig
    ) external {
        (bytes32 id, Channel storage c) = _find(n);
        if (c.end != 0) revert AlreadyClosed();
        if (block.number > until) revert TooLate();
        uint256 epoch = c.epoch;
        bytes32 word =
            keccak256(abi.encode(WITHDRAW, id, epoch, until, balances[0], balances[1], takes[0], takes[1]));
        _signed(n.first, word, firstSig);
        _signed(n.second, word, secondSig);
        _shares(c, balances);
        if (takes[0] > balances[0] || takes[1] > balances[1]) revert BadSum();
        c.epoch = uint32(epoch + 1);
        c.firstDeposit = uint128(balances[0] - takes[0]);
        c.secondDeposit = uint128(balances[1] - takes[1]);
        emit Withdrawn(id, n.first, n.second, epoch + 1, balances[0] - takes[0], balances[1] - takes[1]);
        _pay(n.token, n.first, takes[0]);
        _pay(n.token, n.second, takes[1]);
    }

    /// Ends the channel at once, open or closed: both have signed what each gets.
    function closeTogether(
        Name calldata n,
        uint256 until,
        uint256[2] calldata balances,
        Sig calldata firstSig,
        Sig calldata secondSig
    ) external {
        (bytes32 id, Channel storage c) = _find(n);
        if (block.number == n.opened) revert TooSoon();
        if (block.number > until) revert TooLate();
        bytes32 word = keccak256(abi.encode(CLOSE_TOGETHER, id, uint256(c.epoch), until, balances[0], balances[1]));
        _signed(n.first, word, firstSig);
        _signed(n.second, word, secondSig);
        _shares(c, balances);
        _settle(id, n, c, balances[0], balances[1]);
    }

    // Close alone

    /// Begins the end, with the newest word of the other. Nonce zero is none.
    function close(Name calldata n, Proof calldata p, Sig calldata sig) external {
        (bytes32 id, Channel storage c) = _find(n);
        if (c.end != 0) revert AlreadyClosed();
        if (block.number == n.opened) revert TooSoon();
        bool byFirst = msg.sender == n.first;
        if (!byFirst && msg.sender != n.second) revert BadSender();
        uint256 epoch = c.epoch;
        if (p.nonce != 0) {
            _signed(byFirst ? n.second : n.first, _word(PROOF, id, epoch, p), sig);
            _keep(c, !byFirst, p);
        } else if (p.transferred != 0 || p.locks != 0) {
            revert BadNonce();
        }
        c.end = uint64(block.number + c.window);
        c.closedByFirst = byFirst;
        emit Closed(id, n.first, n.second, epoch, byFirst, p.nonce, p.transferred, p.locks);
    }

    /// Brings a newer word of the one who closed. Who had it said to him brings it,
    /// or anyone with his mandate, within the window.
    function update(Name calldata n, Proof calldata p, Sig calldata sig, Sig calldata mandate) external {
        (bytes32 id, Channel storage c) = _find(n);
        _inWindow(c);
        bool byFirst = c.closedByFirst;
        (address by, address to) = byFirst ? (n.first, n.second) : (n.second, n.first);
        uint256 epoch = c.epoch;
        if (p.nonce <= c.nonce) revert BadNonce();
        if (msg.sender != to) _signed(to, _word(UPDATE, id, epoch, p), mandate);
        _signed(by, _word(PROOF, id, epoch, p), sig);
        _keep(c, byFirst, p);
        c.nonce = p.nonce;
        emit Updated(id, n.first, n.second, epoch, byFirst, p.nonce, p.transferred, p.locks);
    }

    /// Pays out locks of a party's list whose secrets were registered in time: those
    /// of take, bit by bit. Who gets them sends it, or anyone with his mandate for
    /// just these; within the window, and again when more secrets have come.
    function unlock(
        Name calldata n,
        bool byFirst,
        Claim calldata claim,
        Lock[] calldata locks,
        uint256 take,
        Sig calldata mandate
    ) external {
        (bytes32 id, Channel storage c) = _find(n);
        _inWindow(c);
        _listed(c, byFirst, claim, locks);
        address to = byFirst ? n.second : n.first;
        if (msg.sender != to) _signed(to, keccak256(abi.encode(UNLOCK, id, uint256(c.epoch), claim.locks, take)), mandate);
        (uint256 sum, uint256 taken) = _inTime(locks, take & ~claim.taken);
        if (taken == 0) revert NothingToUnlock();
        sum = _plus(sum, claim.unlocked);
        taken |= claim.taken;
        bytes32 kept = keccak256(abi.encode(claim.transferred, claim.locks, sum, taken));
        if (byFirst) c.firstClaim = kept;
        else c.secondClaim = kept;
        emit Unlocked(id, n.first, n.second, c.epoch, byFirst, sum, taken);
    }

    /// Gives the whole channel to a party whose lock i was paid out though the other
    /// had signed it away. Anyone may show it, until the channel is settled, but not
    /// while another word may still take the list's place.
    function punish(
        Name calldata n,
        bool byFirst,
        Claim calldata claim,
        Lock[] calldata locks,
        uint256 i,
        Sig calldata disposed
    ) external {
        (bytes32 id, Channel storage c) = _find(n);
        if (c.end == 0) revert NotClosed();
        _listed(c, byFirst, claim, locks);
        if (i >= locks.length || claim.taken & (1 << i) == 0) revert NotTaken();
        // While the list may still be replaced, it may have been brought by the one
        // who closed, from an old mandate, to have the other punished.
        if (byFirst == c.closedByFirst && block.number <= c.end) revert TooSoon();
        bytes32 word = keccak256(abi.encode(DISPOSE, id, uint256(c.epoch), keccak256(abi.encode(locks[i]))));
        _signed(byFirst ? n.second : n.first, word, disposed);
        emit Punished(id, n.first, n.second, c.epoch, !byFirst);
        uint256 total = uint256(c.firstDeposit) + c.secondDeposit;
        _settle(id, n, c, byFirst ? total : 0, byFirst ? 0 : total);
    }

    /// Pays both, once the window and the punish time are over.
    function settle(Name calldata n, Claim calldata first, Claim calldata second) external {
        (bytes32 id, Channel storage c) = _find(n);
        if (c.end == 0) revert NotClosed();
        if (block.number <= c.end + punishBlocks) revert TooSoon();
        _same(c.firstClaim, first);
        _same(c.secondClaim, second);
        (uint256 a, uint256 b) = _divide(c, first, second);
        _settle(id, n, c, a, b);
    }

    /// Pays what a failed payment has left to its owner: to him, or where he says
    /// himself, because a token may have frozen him.
    function collect(address token, address owner, address to) external {
        if (to != owner && msg.sender != owner) revert BadSender();
        uint256 amount = owed[token][owner];
        if (amount == 0) revert NothingOwed();
        owed[token][owner] = 0;
        emit Collected(token, owner, amount);
        if (!_transfer(token, to, amount, gasleft())) revert BadToken();
        if (token != address(0)) held[token] -= amount;
    }

    // The parts

    function _open(address token, address by, address partner, uint256 window)
        private
        returns (Name memory n, bool isFirst)
    {
        if (by == partner || by == address(0) || partner == address(0)) revert BadParties();
        if (window < MIN_WINDOW || window > MAX_WINDOW) revert BadWindow();
        isFirst = by < partner;
        n = isFirst ? Name(token, by, partner, block.number) : Name(token, partner, by, block.number);
        bytes32 id = keccak256(abi.encode(n));
        if (channels[id].window != 0) revert AlreadyOpen();
        channels[id].window = uint32(window);
        emit Opened(id, n.first, n.second, token, window);
    }

    /// Takes amount from the payer; with the native coin it must have been sent.
    function _deposit(Name memory n, bool byFirst, address payer, uint256 amount) private {
        if (n.token == address(0)) {
            if (msg.value != amount) revert BadAmount();
        } else {
            if (msg.value != 0) revert BadAmount();
            if (amount != 0) {
                _pull(n.token, payer, amount);
                amount = _arrived(n.token, amount);
            }
        }
        if (amount != 0) _credit(n, byFirst, amount);
    }

    /// A token says that amount has come from someone.
    function _received(address from, uint256 amount, bytes calldata data) private {
        (Name memory n, bool isFirst) = _order(from, data);
        if (n.token != msg.sender) revert BadSender();
        _credit(n, isFirst, _arrived(msg.sender, amount));
    }

    /// What a payer wants done with his tokens: to open a channel, by partner and
    /// window, or to add to one, by its name and whose deposit it is.
    function _order(address from, bytes calldata data) private returns (Name memory n, bool isFirst) {
        if (data.length == 64) {
            (address partner, uint256 window) = abi.decode(data, (address, uint256));
            return _open(msg.sender, from, partner, window);
        }
        if (data.length != 160) revert BadData();
        (n, isFirst) = abi.decode(data, (Name, bool));
        if (n.token != msg.sender) revert BadSender();
    }

    /// Measures what has come of amount: what is here beyond what is held. Whatever a
    /// token calls back meanwhile, no unit is counted twice.
    function _arrived(address token, uint256 amount) private returns (uint256 came) {
        uint256 here;
        bool ok;
        assembly ("memory-safe") {
            mstore(0, 0x70a0823100000000000000000000000000000000000000000000000000000000) // balanceOf
            mstore(4, address())
            ok := staticcall(gas(), token, 0, 36, 0, 32)
            ok := and(ok, gt(returndatasize(), 31))
            here := mload(0)
        }
        uint256 before = held[token];
        if (!ok || here <= before) revert BadToken();
        came = here - before;
        if (came > amount) came = amount;
        held[token] = before + came;
    }

    function _credit(Name memory n, bool byFirst, uint256 amount) private {
        bytes32 id = keccak256(abi.encode(n));
        Channel storage c = channels[id];
        if (c.window == 0) revert NoChannel();
        if (c.end != 0) revert AlreadyClosed();
        (uint256 total, uint256 other) =
            byFirst ? (c.firstDeposit, c.secondDeposit) : (c.secondDeposit, c.firstDeposit);
        // Both together fit, so whatever part of them a withdrawal leaves fits.
        if (amount > type(uint128).max - total - other) revert BadAmount();
        total += amount;
        if (byFirst) c.firstDeposit = uint128(total);
        else c.secondDeposit = uint128(total);
        emit Deposited(id, n.first, n.second, c.epoch, byFirst, total);
    }

    function _find(Name calldata n) private view returns (bytes32 id, Channel storage c) {
        id = keccak256(abi.encode(n));
        c = channels[id];
        if (c.window == 0) revert NoChannel();
    }

    function _inWindow(Channel storage c) private view {
        uint256 end = c.end;
        if (end == 0) revert NotClosed();
        if (block.number > end) revert TooLate();
    }

    /// Both balances are all there is.
    function _shares(Channel storage c, uint256[2] calldata balances) private view {
        uint256 total = uint256(c.firstDeposit) + c.secondDeposit;
        if (balances[0] > total || balances[1] != total - balances[0]) revert BadSum();
    }

    /// Keeps what a party has said.
    function _keep(Channel storage c, bool byFirst, Proof calldata p) private {
        bytes32 kept = keccak256(abi.encode(p.transferred, p.locks, uint256(0), uint256(0)));
        if (byFirst) c.firstClaim = kept;
        else c.secondClaim = kept;
    }

    /// A claim is what is stored; all zero when nothing is.
    function _same(bytes32 stored, Claim calldata claim) private pure {
        if (stored == 0) {
            if (claim.transferred != 0 || claim.locks != 0 || claim.unlocked != 0 || claim.taken != 0) revert BadClaim();
        } else if (stored != keccak256(abi.encode(claim))) {
            revert BadClaim();
        }
    }

    /// locks is the list of a claim, which is what is stored.
    function _listed(Channel storage c, bool byFirst, Claim calldata claim, Lock[] calldata locks) private view {
        _same(byFirst ? c.firstClaim : c.secondClaim, claim);
        if (locks.length == 0 || locks.length > 256) revert BadLocks();
        bytes32 root;
        assembly ("memory-safe") {
            let p := mload(0x40)
            let size := mul(locks.length, 96)
            calldatacopy(p, locks.offset, size)
            root := keccak256(p, size)
        }
        if (root != claim.locks) revert BadLocks();
    }

    /// The sum of those locks of take whose secrets were registered in time. A sum
    /// beyond 256 bits stays there: no channel holds as much.
    function _inTime(Lock[] calldata locks, uint256 take) private view returns (uint256 sum, uint256 taken) {
        for (uint256 i; i < locks.length; ++i) {
            if (take & (1 << i) == 0) continue;
            uint256 since = secrets.since(locks[i].hash);
            if (since == 0 || since > locks[i].expiry) continue;
            taken |= 1 << i;
            sum = _plus(sum, locks[i].amount);
        }
    }

    /// What each gets: what he has put in and been sent, less what he has sent. It
    /// saturates at nothing and at all there is, always divides all of it, and
    /// favours neither.
    function _divide(Channel storage c, Claim calldata first, Claim calldata second)
        private
        view
        returns (uint256 a, uint256 b)
    {
        uint256 has = c.firstDeposit;
        uint256 total = has + c.secondDeposit;
        uint256 received = _plus(second.transferred, second.unlocked);
        uint256 sent = _plus(first.transferred, first.unlocked);
        if (received >= sent) a = _plus(has, received - sent);
        else if (has > sent - received) a = has - (sent - received);
        if (a > total) a = total;
        b = total - a;
    }

    /// The sum, or the greatest number when it is beyond.
    function _plus(uint256 a, uint256 b) private pure returns (uint256 sum) {
        unchecked {
            sum = a + b;
        }
        if (sum < a) sum = type(uint256).max;
    }

    /// Ends a channel and pays both.
    function _settle(bytes32 id, Name calldata n, Channel storage c, uint256 a, uint256 b) private {
        emit Settled(id, n.first, n.second, c.epoch, a, b);
        delete channels[id];
        _pay(n.token, n.first, a);
        _pay(n.token, n.second, b);
    }

    /// Pays, or notes what is owed. held falls only after the tokens have gone: what
    /// is called meanwhile finds nothing that seems to have come.
    function _pay(address token, address to, uint256 amount) private {
        if (amount == 0) return;
        if (gasleft() < PAY_GAS + PAY_MARGIN) revert LowGas();
        if (_transfer(token, to, amount, PAY_GAS)) {
            if (token != address(0)) held[token] -= amount;
            return;
        }
        owed[token][to] += amount;
        emit Owed(token, to, amount);
    }

    /// Tells whether it was paid. What the other side returns is never copied.
    function _transfer(address token, address to, uint256 amount, uint256 gasLimit) private returns (bool ok) {
        if (token == address(0)) {
            assembly ("memory-safe") {
                ok := call(gasLimit, to, amount, 0, 0, 0, 0)
            }
            return ok;
        }
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, 0xa9059cbb00000000000000000000000000000000000000000000000000000000) // transfer
            mstore(add(p, 4), to)
            mstore(add(p, 36), amount)
            ok := call(gasLimit, token, 0, p, 68, 0, 32)
            switch returndatasize()
            case 0 { ok := and(ok, gt(extcodesize(token), 0)) }
            default { ok := and(ok, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
    }

    /// Takes tokens from a payer who has allowed it.
    function _pull(address token, address payer, uint256 amount) private {
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, 0x23b872dd00000000000000000000000000000000000000000000000000000000) // transferFrom
            mstore(add(p, 4), payer)
            mstore(add(p, 36), address())
            mstore(add(p, 68), amount)
            ok := call(gas(), token, 0, p, 100, 0, 32)
            switch returndatasize()
            case 0 { ok := and(ok, gt(extcodesize(token), 0)) }
            default { ok := and(ok, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
        if (!ok) revert BadToken();
    }

    function _word(bytes32 kind, bytes32 id, uint256 epoch, Proof calldata p) private pure returns (bytes32) {
        return keccak256(abi.encode(kind, id, epoch, p.nonce, p.transferred, p.locks));
    }

    /// word is signed by one who is not zero, in the one form that is accepted.
    function _signed(address by, bytes32 word, Sig calldata sig) private view {
        if (uint256(sig.s) > 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0) revert BadSignature();
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", domain, word));
        if (ecrecover(digest, sig.v, sig.r, sig.s) != by) revert BadSignature();
    }
}
