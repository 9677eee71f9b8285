// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HostileToken} from "./Hostile.sol";

/// For tests: a token that pays and calls in one, in every spelling, and takes
/// signed permits. It can be told to be as hostile as its parent.
contract CallingToken is HostileToken {
    mapping(address => uint256) public nonces;
    bytes32 public immutable domain;

    constructor(uint256 supply, uint256 chain) HostileToken(supply) {
        domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Hostile"),
                keccak256("1"),
                chain,
                address(this)
            )
        );
    }

    function approveAndCall(address spender, uint256 amount, bytes calldata data) external {
        allowance[msg.sender][spender] = amount;
        _call(
            spender,
            abi.encodeWithSignature(
                "receiveApproval(address,uint256,address,bytes)", msg.sender, amount, address(this), data
            )
        );
    }

    /// ERC223 as first written, and as it ended.
    function transferFallback(address to, uint256 amount, bytes calldata data) external {
        _act(msg.sender, to, amount);
        _call(to, abi.encodeWithSignature("tokenFallback(address,uint256,bytes)", msg.sender, amount, data));
    }

    function transferReceived(address to, uint256 amount, bytes calldata data) external {
        _act(msg.sender, to, amount);
        bytes4 kind = bytes4(keccak256("tokenReceived(address,uint256,bytes)"));
        _agreed(kind, _call(to, abi.encodeWithSelector(kind, msg.sender, amount, data)));
    }

    /// ERC1363.
    function transferAndCall(address to, uint256 amount, bytes calldata data) external {
        _erc1363(msg.sender, to, amount, data);
    }

    function transferFromAndCall(address from, address to, uint256 amount, bytes calldata data) external {
        _spend(from, amount);
        _erc1363(from, to, amount, data);
    }

    function _erc1363(address from, address to, uint256 amount, bytes calldata data) private {
        _act(from, to, amount);
        bytes4 kind = bytes4(keccak256("onTransferReceived(address,address,uint256,bytes)"));
        _agreed(kind, _call(to, abi.encodeWithSelector(kind, msg.sender, from, amount, data)));
    }

    /// EIP-2612.
    function permit(address owner, address spender, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        require(block.timestamp <= deadline, "late");
        bytes32 word = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner,
                spender,
                amount,
                nonces[owner]++,
                deadline
            )
        );
        require(ecrecover(keccak256(abi.encodePacked("\x19\x01", domain, word)), v, r, s) == owner, "signature");
        allowance[owner][spender] = amount;
    }

    /// Calls whatever anybody says, as the token: it may say of payers what it likes.
    function say(address to, bytes calldata data) external {
        _call(to, data);
    }

    function _agreed(bytes4 kind, bytes memory answer) private pure {
        require(answer.length == 32 && bytes4(answer) == kind, "not received");
    }

    function _call(address to, bytes memory data) private returns (bytes memory answer) {
        bool ok;
        (ok, answer) = to.call(data);
        if (ok) return answer;
        assembly {
            revert(add(answer, 32), mload(answer))
        }
    }
}
