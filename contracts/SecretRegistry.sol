// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Dates secrets: a lock whose secret was registered at or before the block of its
/// expiry was in time, whatever its parties say to each other. Anyone may register;
/// the first registration counts, a later one changes nothing and does not fail.
contract SecretRegistry {
    /// The block in which the secret of this SHA-256 hash was registered; 0 when it
    /// was not.
    mapping(bytes32 hash => uint256 block) public since;

    event Registered(bytes32 indexed hash, bytes32 secret);

    error BadSecret(); // zero, which anybody can guess
    error LowGas();

    /// Registers one secret.
    function register(bytes32 secret) external {
        _register(secret);
    }

    /// Registers many.
    function registerBatch(bytes32[] calldata secrets) external {
        for (uint256 i; i < secrets.length; ++i) {
            _register(secrets[i]);
        }
    }

    function _register(bytes32 secret) private {
        if (secret == 0) revert BadSecret();
        bytes32 hash;
        bool ok;
        assembly ("memory-safe") {
            mstore(0, secret)
            ok := staticcall(gas(), 2, 0, 32, 0, 32) // SHA-256
            hash := mload(0)
        }
        if (!ok) revert LowGas();
        if (since[hash] != 0) return;
        since[hash] = block.number;
        emit Registered(hash, secret);
    }
}
