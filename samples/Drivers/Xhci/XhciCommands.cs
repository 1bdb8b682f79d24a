using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The command ring; one command at a time.</summary>
internal sealed class XhciCommands
{
    /// <summary>How long a command may take, in nanoseconds: one of them talks to a device, which has so long.</summary>
    private const ulong TimeoutNs = 5_500_000_000;

    private readonly XhciRegisters _registers;
    private readonly XhciEvents _events;
    private readonly XhciRing _ring;
    private readonly Gate _turn = new();

    /// <summary>Gives the controller the ring; it must be halted.</summary>
    public XhciCommands(XhciRegisters registers, XhciEvents events, XhciRing ring)
    {
        (_registers, _events, _ring) = (registers, events, ring);
        registers.CommandRing = new() { Pointer = ring.Next, CycleState = ring.Cycle };
    }

    /// <summary>Makes a command and waits for its end.</summary>
    /// <param name="command">The command.</param>
    /// <returns>How it ended.</returns>
    /// <exception cref="DriverException">The controller stopped, or does not answer.</exception>
    public async ValueTask<CommandCompletionEvent> Execute(Bits128 command)
    {
        await _turn.Enter();
        try
        {
            ulong place = Submit(command);
            ulong endNs = _events.After(TimeoutNs);
            while (_events.LastCommand.Pointer != place || _events.LastCommand.Code == CompletionCode.None)
            {
                if (_events.HasStopped)
                    throw new DriverException(DriverFailure.HostSystemError, "The controller stopped: memory refused one of its accesses, or it is gone.");
                if (_events.NowNs >= endNs)
                {
                    // What does not answer a command will not do the next one either.
                    _events.Stop();
                    throw new DriverException(DriverFailure.ControllerTimeout, $"The controller did not finish {new Trb(command).Type}.");
                }

                await _events.Next(endNs);
            }

            CommandCompletionEvent result = _events.LastCommand;
            _events.ForgetCommand();
            return result;
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <summary>Makes a command that has to succeed.</summary>
    /// <returns>How it ended.</returns>
    /// <exception cref="DriverException">It failed, or the controller stopped.</exception>
    public async ValueTask<CommandCompletionEvent> Require(Bits128 command)
    {
        CommandCompletionEvent result = await Execute(command);
        return result.Code == CompletionCode.Success
            ? result
            : throw new DriverException(Failure(result.Code), $"{new Trb(command).Type} ended as {result.Code}.");
    }

    private ulong Submit(Bits128 command)
    {
        Span<ulong> place = stackalloc ulong[1];
        _ring.Push([new(command)], place);
        _registers.Ring(slot: 0, default);
        return place[0];
    }

    private static DriverFailure Failure(CompletionCode code) => code switch
    {
        CompletionCode.TransactionError or CompletionCode.SplitError => DriverFailure.NoAnswer,
        CompletionCode.Stall => DriverFailure.RequestRefused,
        CompletionCode.BandwidthError or CompletionCode.SecondaryBandwidth => DriverFailure.NoBandwidth,
        CompletionCode.NoSlots or CompletionCode.ResourceError => DriverFailure.TooManyDevices,
        _ => DriverFailure.CommandRefused,
    };
}
