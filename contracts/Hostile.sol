// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// For tests: a token that behaves, until it is told otherwise.
contract HostileToken is TestToken {
    enum Mood {
        Honest,
        TakesFee, // one in a hundred
        TakesFeeFromPayer, // the amount arrives, the payer pays more
        SaysFalse, // and moves nothing
        SaysTwo, // and moves
        SaysNothing, // and moves
        MovesNothing, // and says true
        BurnsGas,
        Reenters, // calls target before it moves
        Inflates // returns a megabyte
    }

    Mood public mood;
    mapping(address => bool) public blocked;
    address public target;
    bytes public call;
    uint256 public entered; // calls of target that did not revert

    constructor(uint256 supply) TestToken("Hostile", "HOST", 18, supply) {}

    function setMood(Mood m) external {
        mood = m;
    }

    function setBlocked(address who, bool yes) external {
        blocked[who] = yes;
    }

    function setCall(address target_, bytes calldata call_) external {
        (target, call) = (target_, call_);
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        return _act(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        _spend(from, amount);
        return _act(from, to, amount);
    }

    function _act(address from, address to, uint256 amount) internal returns (bool) {
        require(!blocked[from] && !blocked[to], "blocked");
        if (mood == Mood.SaysFalse) return false;
        if (mood == Mood.MovesNothing) return true;
        if (mood == Mood.BurnsGas) while (true) {}
        if (mood == Mood.Reenters) {
            (bool ok,) = target.call(call);
            if (ok) entered++;
        }
        if (mood == Mood.TakesFee) {
            _move(from, address(this), amount / 100);
            amount -= amount / 100;
        }
        if (mood == Mood.TakesFeeFromPayer) _move(from, address(this), amount / 100);
        _move(from, to, amount);
        if (mood == Mood.SaysTwo) _say(2, 32);
        if (mood == Mood.SaysNothing) _say(0, 0);
        if (mood == Mood.Inflates) _say(1, 1 << 20);
        return true;
    }

    function _say(uint256 word, uint256 size) private pure {
        assembly {
            mstore(0, word)
            return(0, size)
        }
    }
}

/// For tests: a contract that takes part in swaps, and takes coins as it is told.
contract HostileParty {
    enum Mood {
        Accepts,
        Refuses,
        BurnsGas,
        Reenters, // calls target when it is paid
        Inflates // refuses with a megabyte
    }

    Mood public mood;
    address public target;
    bytes public call;
    uint256 public entered; // calls of target that did not revert

    function setMood(Mood m) external {
        mood = m;
    }

    function setCall(address target_, bytes calldata call_) external {
        (target, call) = (target_, call_);
    }

    function run(address to, bytes calldata data) external payable {
        (bool ok,) = to.call{value: msg.value}(data);
        require(ok, "run");
    }

    receive() external payable {
        require(mood != Mood.Refuses, "refused");
        if (mood == Mood.BurnsGas) while (true) {}
        if (mood == Mood.Inflates) {
            assembly {
                revert(0, 1048576)
            }
        }
        if (mood == Mood.Reenters) {
            (bool ok,) = target.call(call);
            if (ok) entered++;
        }
    }
}

/// For tests: a token of which anybody has as much as he says, and more than a
/// word can hold.
contract LyingToken {
    uint256 private moved;

    function balanceOf(address) external view returns (uint256) {
        return moved;
    }

    function transferFrom(address, address, uint256 amount) external returns (bool) {
        unchecked {
            moved += amount;
        }
        return true;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return true;
    }
}
