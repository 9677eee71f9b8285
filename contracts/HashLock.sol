// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Holds one leg of each swap on an EVM chain: the redeemer takes the amount with
/// the secret while the block's time is before the leg's time; from that time on
/// it goes back to the refunder. At every block time exactly one of the two is
/// possible, so no redeem ever races a refund.
///
///     lock ──▶ storage[key] = block number ──▶ redeem (secret, time still ahead)
///                                          └─▶ refund (time reached)
///
/// The key is the hash of all six fields, and it is itself the storage slot. The
/// slot is deleted in the end: that is what makes a swap cheap. What happened is
/// told by the events; the secret is in the event and in the call. The same key
/// can therefore be locked again before its time, but only by the same refunder:
/// a node that has seen a secret must not take such a lock for a new one.
///
/// Redeem and refund may be called by anyone and pay the rightful party. Nobody
/// owns, upgrades, pauses or destroys this contract. It is compiled for Byzantium,
/// so the same bytecode runs on Spectrum and Ethereum.
///
/// Tokens: what arrives is measured, and must be the amount to the unit. Tokens
/// that return nothing are handled. A token that changes balances by itself, or
/// that takes a fee and calls back, can leave its own swaps short, never another
/// token's: assets are named by exact address, and this contract vets none.
contract HashLock {
    /// One leg. Its key is keccak256(abi.encode(leg)).
    struct Leg {
        bytes32 hash; // SHA-256 of the 32-byte secret
        uint256 amount; // smallest unit
        address token; // zero is the native coin
        address refunder;
        uint256 time; // Unix seconds: the first block time at which it is refundable
        address redeemer;
    }

    /// A leg as it is redeemed: its secret in place of its hash.
    struct Claim {
        bytes32 secret;
        uint256 amount;
        address token;
        address refunder;
        uint256 time;
        address redeemer;
    }

    /// As Claim, when the redeemer is the sender.
    struct OwnClaim {
        bytes32 secret;
        uint256 amount;
        address token;
        address refunder;
        uint256 time;
    }

    /// A leg as it is locked: the refunder is the sender.
    struct Lock {
        bytes32 hash;
        uint256 amount;
        address token;
        uint256 time;
        address redeemer;
    }

    event Locked(bytes32 indexed key, bytes32 indexed hash); // all else is in the call
    event Redeemed(bytes32 indexed key, bytes32 secret);
    event Refunded(bytes32 indexed key);

    error BadHash(); // zero, or the hash of the zero secret: anybody could redeem
    error BadAmount(); // zero
    error BadParty(); // zero
    error BadTime(); // not after this block, or beyond 32 bits
    error BadValue(); // what was sent is not the sum of the native amounts
    error BadOrder(); // the hashes of a batch do not rise strictly
    error BadToken(); // the amount did not arrive to the unit
    error BadFee(); // the relayer's fee leaves nothing
    error BadSignature();
    error AlreadyLocked();
    error NotLocked(); // no such leg, or a wrong secret, or ended
    error TooSoon(); // redeem in the block of the lock, or refund before the time
    error TooLate(); // redeem at or after the time, or after the deadline
    error PaymentFailed(); // the one to be paid, or the token, refused
    error NothingPaid(); // not one leg of the batch

    bytes32 private constant ZERO_SECRET_HASH = 0x66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925;
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant REDEEM =
        keccak256("Redeem(bytes32 key,address to,uint256 fee,address feeTo,uint256 deadline)");

    /// Gas that a batch gives to one payment, so that one recipient or token
    /// cannot use up what the others need. Who wants more is paid alone.
    uint256 private constant BATCH_GAS = 200000;

    /// The chain in what redeemers sign. Byzantium cannot ask for it.
    uint256 public immutable chainId;

    constructor(uint256 chain) {
        chainId = chain;
    }

    /// The block in which the leg with this key was locked; 0 when it is not.
    function state(bytes32 key) external view returns (uint256 since) {
        return _since(key);
    }

    // Lock

    /// Locks the native coin that is sent.
    function lock(bytes32 hash, uint256 time, address redeemer) external payable {
        _open(hash, msg.value, address(0), time, redeemer);
    }

    /// Locks tokens, which the sender must have approved.
    function lockToken(bytes32 hash, uint256 amount, address token, uint256 time, address redeemer) external {
        if (token == address(0)) revert BadToken();
        _open(hash, amount, token, time, redeemer);
        _pull(token, amount);
    }

    /// Locks all or nothing, coins and tokens mixed, sorted by hash: so no hash
    /// can be in it twice. Neighbours of one token are pulled together.
    function lockBatch(Lock[] calldata locks) external payable {
        uint256 coins;
        uint256 pending;
        bytes32 last;
        for (uint256 i; i < locks.length; ++i) {
            Lock calldata l = locks[i];
            if (l.hash <= last) revert BadOrder();
            last = l.hash;
            _open(last, l.amount, l.token, l.time, l.redeemer);
            if (l.token == address(0)) {
                coins += l.amount;
                continue;
            }
            pending += l.amount;
            if (i + 1 == locks.length || locks[i + 1].token != l.token) {
                _pull(l.token, pending);
                pending = 0;
            }
        }
        if (coins != msg.value) revert BadValue();
    }

    // Redeem

    /// Redeems what is for the sender.
    function redeem(OwnClaim calldata c) external {
        if (block.timestamp >= c.time) revert TooLate();
        bytes32 key;
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, c, 160)
            if iszero(staticcall(gas(), 2, p, 32, p, 32)) { revert(0, 0) }
            mstore(add(p, 160), caller())
            key := keccak256(p, 192)
        }
        _redeem(key, c.secret);
        if (!_pay(c.token, msg.sender, c.amount, gasleft())) revert PaymentFailed();
    }

    /// Redeems for anyone, who is paid.
    function redeemFor(Claim calldata c) external {
        if (block.timestamp >= c.time) revert TooLate();
        _redeem(_claimed(c), c.secret);
        if (!_pay(c.token, c.redeemer, c.amount, gasleft())) revert PaymentFailed();
    }

    /// Redeems to where the redeemer has signed that it shall go, less a fee for
    /// whoever brings it: feeTo, or the sender when feeTo is zero.
    function redeemSigned(
        Claim calldata c,
        address to,
        uint256 fee,
        address feeTo,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        if (block.timestamp >= c.time || block.timestamp > deadline) revert TooLate();
        bytes32 key = _claimed(c);
        if (fee >= c.amount) revert BadFee();
        if (to == address(0)) revert BadParty();
        bytes32 signed = keccak256(abi.encode(REDEEM, key, to, fee, feeTo, deadline));
        if (ecrecover(keccak256(abi.encodePacked("\x19\x01", _domain(), signed)), v, r, s) != c.redeemer) {
            revert BadSignature();
        }
        _redeem(key, c.secret);
        if (!_pay(c.token, to, c.amount - fee, gasleft())) revert PaymentFailed();
        if (fee == 0) return;
        if (!_pay(c.token, feeTo == address(0) ? msg.sender : feeTo, fee, gasleft())) revert PaymentFailed();
    }

    /// Redeems what can be redeemed and leaves the rest as it is; reverts only
    /// when nothing can be. Neighbours of one redeemer and token are paid together.
    function redeemBatch(Claim[] calldata claims) external {
        bytes32[] memory keys = new bytes32[](claims.length);
        uint256[] memory since = new uint256[](claims.length);
        bool any;
        for (uint256 i; i < claims.length;) {
            (uint256 end, bool paid) = _redeemRun(claims, keys, since, i);
            any = any || paid;
            i = end;
        }
        if (!any) revert NothingPaid();
    }

    // Refund

    /// Gives a leg back to its refunder.
    function refund(Leg calldata l) external {
        if (block.timestamp < l.time) revert TooSoon();
        _refund(_hashed(l));
        if (!_pay(l.token, l.refunder, l.amount, gasleft())) revert PaymentFailed();
    }

    /// Gives the sender's leg back to where the sender says: for a refunder whom
    /// the token refuses, or that cannot take coins.
    function refundTo(bytes32 hash, uint256 amount, address token, uint256 time, address redeemer, address to)
        external
    {
        if (block.timestamp < time) revert TooSoon();
        if (to == address(0)) revert BadParty();
        _refund(_key(hash, amount, token, time, redeemer));
        if (!_pay(token, to, amount, gasleft())) revert PaymentFailed();
    }

    /// Refunds what can be refunded and leaves the rest as it is; reverts only
    /// when nothing can be. Neighbours of one refunder and token are paid together.
    function refundBatch(Leg[] calldata legs) external {
        bytes32[] memory keys = new bytes32[](legs.length);
        uint256[] memory since = new uint256[](legs.length);
        bool any;
        for (uint256 i; i < legs.length;) {
            (uint256 end, bool paid) = _refundRun(legs, keys, since, i);
            any = any || paid;
            i = end;
        }
        if (!any) revert NothingPaid();
    }

    // The parts

    function _open(bytes32 hash, uint256 amount, address token, uint256 time, address redeemer) private {
        if (hash == 0 || hash == ZERO_SECRET_HASH) revert BadHash();
        if (amount == 0) revert BadAmount();
        if (redeemer == address(0)) revert BadParty();
        if (time <= block.timestamp || time > type(uint32).max) revert BadTime();
        bytes32 key = _key(hash, amount, token, time, redeemer);
        if (_since(key) != 0) revert AlreadyLocked();
        _store(key, block.number);
        emit Locked(key, hash);
    }

    function _redeem(bytes32 key, bytes32 secret) private {
        uint256 since = _since(key);
        if (since == 0) revert NotLocked();
        if (since == block.number) revert TooSoon();
        _store(key, 0);
        emit Redeemed(key, secret);
    }

    function _refund(bytes32 key) private {
        if (_since(key) == 0) revert NotLocked();
        _store(key, 0);
        emit Refunded(key);
    }

    /// Redeems the neighbours from i on that have the redeemer and token of i. If
    /// they cannot be paid, they are locked as before: a payment that fails has
    /// changed nothing else meanwhile.
    function _redeemRun(Claim[] calldata claims, bytes32[] memory keys, uint256[] memory since, uint256 i)
        private
        returns (uint256 end, bool paid)
    {
        (address token, address redeemer) = (claims[i].token, claims[i].redeemer);
        uint256 sum;
        for (end = i; end < claims.length; ++end) {
            Claim calldata c = claims[end];
            if (c.redeemer != redeemer || c.token != token || sum > type(uint256).max - c.amount) break;
            if (block.timestamp >= c.time) continue;
            bytes32 key = _claimed(c);
            uint256 mark = _since(key);
            if (mark == 0 || mark == block.number) continue;
            _store(key, 0);
            (keys[end], since[end]) = (key, mark);
            sum += c.amount;
        }
        paid = sum != 0 && _pay(token, redeemer, sum, BATCH_GAS);
        for (; i < end; ++i) {
            if (since[i] == 0) continue;
            if (paid) emit Redeemed(keys[i], claims[i].secret);
            else _store(keys[i], since[i]);
        }
    }

    /// As _redeemRun, for refunds.
    function _refundRun(Leg[] calldata legs, bytes32[] memory keys, uint256[] memory since, uint256 i)
        private
        returns (uint256 end, bool paid)
    {
        (address token, address refunder) = (legs[i].token, legs[i].refunder);
        uint256 sum;
        for (end = i; end < legs.length; ++end) {
            Leg calldata l = legs[end];
            if (l.refunder != refunder || l.token != token || sum > type(uint256).max - l.amount) break;
            if (block.timestamp < l.time) continue;
            bytes32 key = _hashed(l);
            uint256 mark = _since(key);
            if (mark == 0) continue;
            _store(key, 0);
            (keys[end], since[end]) = (key, mark);
            sum += l.amount;
        }
        paid = sum != 0 && _pay(token, refunder, sum, BATCH_GAS);
        for (; i < end; ++i) {
            if (since[i] == 0) continue;
            if (paid) emit Refunded(keys[i]);
            else _store(keys[i], since[i]);
        }
    }

    /// The key of a claimed leg: SHA-256 of the secret, then the hash of all.
    function _claimed(Claim calldata c) private view returns (bytes32 key) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, c, 192)
            if iszero(staticcall(gas(), 2, p, 32, p, 32)) { revert(0, 0) }
            key := keccak256(p, 192)
        }
    }

    function _hashed(Leg calldata l) private pure returns (bytes32 key) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, l, 192)
            key := keccak256(p, 192)
        }
    }

    /// The key of the sender's leg.
    function _key(bytes32 hash, uint256 amount, address token, uint256 time, address redeemer)
        private
        view
        returns (bytes32 key)
    {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, hash)
            mstore(add(p, 32), amount)
            mstore(add(p, 64), token)
            mstore(add(p, 96), caller())
            mstore(add(p, 128), time)
            mstore(add(p, 160), redeemer)
            key := keccak256(p, 192)
        }
    }

    function _since(bytes32 key) private view returns (uint256 since) {
        assembly ("memory-safe") {
            since := sload(key)
        }
    }

    function _store(bytes32 key, uint256 since) private {
        assembly ("memory-safe") {
            sstore(key, since)
        }
    }

    /// Takes tokens from the sender and measures what has come.
    function _pull(address token, uint256 amount) private {
        uint256 before = _balance(token);
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, 0x23b872dd00000000000000000000000000000000000000000000000000000000) // transferFrom
            mstore(add(p, 4), caller())
            mstore(add(p, 36), address())
            mstore(add(p, 68), amount)
            ok := call(gas(), token, 0, p, 100, 0, 32)
            if returndatasize() { ok := and(ok, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
        if (!ok) revert BadToken();
        unchecked {
            if (_balance(token) - before != amount) revert BadToken();
        }
    }

    function _balance(address token) private view returns (uint256 held) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0, 0x70a0823100000000000000000000000000000000000000000000000000000000) // balanceOf
            mstore(4, address())
            ok := staticcall(gas(), token, 0, 36, 0, 32)
            ok := and(ok, gt(returndatasize(), 31))
            held := mload(0)
        }
        if (!ok) revert BadToken();
    }

    /// Pays and tells whether it was paid. What the other side returns is never
    /// copied, so that it cannot cost the caller anything.
    function _pay(address token, address to, uint256 amount, uint256 gasLimit) private returns (bool ok) {
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

    function _domain() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("Photon HashLock"), keccak256("1"), chainId, address(this)));
    }
}
