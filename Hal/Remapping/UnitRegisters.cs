using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The registers of a unit: global commands one at a time, and waiting for bits to change.</summary>
/// <param name="cpu">The processor that waits.</param>
/// <param name="window">The registers.</param>
/// <param name="timeoutNs">How long the unit may take.</param>
internal sealed class UnitRegisters(ICpu cpu, RegisterWindow window, ulong timeoutNs)
{
    /// <summary>GSTS without the bits that GCMD has as one-shots: what a command must repeat so that nothing else changes.</summary>
    private const uint LevelBits = 0x96FF_FFFF;

    private static readonly GlobalCommand _translation = new() { TranslationEnable = true };
    private static readonly GlobalCommand _interruptRemapping = new() { InterruptRemappingEnable = true };
    private static readonly GlobalCommand _compatibilityInterrupts = new() { CompatibilityFormatInterrupt = true };
    private static readonly GlobalCommand _queue = new() { QueuedInvalidationEnable = true };

    private readonly Gate _gate = new();

    public ICpu Cpu => cpu;

    public RegisterWindow Window => window;

    public ulong TimeoutNs => timeoutNs;

    public GlobalStatus Status => new(new(window.Read32(RegisterOffsets.GlobalStatus)));

    /// <summary>Gives one global command and waits until the status shows it.</summary>
    /// <param name="command">One bit.</param>
    /// <param name="turnOn">Whether a level shall be on or off; one-shots are always turned on.</param>
    public async ValueTask Command(GlobalCommand command, bool turnOn = true)
    {
        await _gate.Enter();
        try
        {
            uint bit = (uint)command.Raw.Value;

            // Read GSTS, drop the one-shots, change exactly one bit, write GCMD, poll GSTS.
            uint levels = window.Read32(RegisterOffsets.GlobalStatus) & LevelBits;
            window.Write32(RegisterOffsets.GlobalCommand, turnOn ? levels | bit : levels & ~bit);

            // Every bit of GSTS shows its command as done by being what was asked for, but WBFS by falling.
            bool isShownByOne = turnOn && !command.WriteBufferFlush;
            await WaitFor(RegisterOffsets.GlobalStatus, 4, bit, isShownByOne ? bit : 0);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Turns all off that whoever had the unit before may have left on.</summary>
    public async ValueTask TurnOff()
    {
        if (Status.TranslationEnabled)
            await Command(_translation, turnOn: false);
        if (Status.InterruptRemappingEnabled)
            await Command(_interruptRemapping, turnOn: false);
        if (Status.CompatibilityFormatInterrupts)
            await Command(_compatibilityInterrupts, turnOn: false);
        if (Status.QueuedInvalidationEnabled)
            await Command(_queue, turnOn: false);
    }

    /// <summary>Waits until some bits of a register are as expected.</summary>
    /// <exception cref="DeviceException">They were not in time.</exception>
    public async ValueTask WaitFor(int offset, int width, ulong mask, ulong expected)
    {
        Backoff backoff = new(timeoutNs);
        while ((window.Read(offset, width) & mask) != expected)
        {
            if (!backoff.TryNext(out ulong delayNs))
                throw Broken($"register {offset:X3}h did not show {expected:X}h in the bits {mask:X}h");
            await cpu.Processor.Delay(delayNs);
        }
    }

    /// <summary>The unit does not do what it must.</summary>
    public DeviceException Broken(string what) => new($"The remapping unit at {window.Address} is broken: {what} within {timeoutNs / 1000} us.");
}
