using Dma.Machine;

namespace Dma.Lab;

/// <summary>One step of a recorded script. Which members count depends on the kind.</summary>
internal sealed record RecordedStep
{
    /// <summary>Which step of its case it is, from 0 on.</summary>
    public required int Number { get; init; }

    /// <summary>What it does.</summary>
    public required StepKind Kind { get; init; }

    /// <summary>The register as the file names it.</summary>
    public string Register { get; init; } = "";

    /// <summary>The offset of a register access in the window of the unit.</summary>
    public int Offset { get; init; }

    /// <summary>Bytes of a register access: 4 or 8.</summary>
    public int Size { get; init; }

    /// <summary>What a register gets, or the data of a message.</summary>
    public ulong Value { get; init; }

    /// <summary>A physical address, or the one that a device puts on the bus.</summary>
    public ulong Address { get; init; }

    /// <summary>What is written.</summary>
    public byte[] Bytes { get; init; } = [];

    /// <summary>How many bytes are read.</summary>
    public int Length { get; init; }

    /// <summary>Which device of the case does it.</summary>
    public string Device { get; init; } = "";

    /// <summary>The requester.</summary>
    public SourceId Source { get; init; }

    /// <summary>What a register read gave.</summary>
    public ulong ExpectedValue { get; init; }

    /// <summary>What a read of memory gave.</summary>
    public byte[] ExpectedBytes { get; init; } = [];

    /// <summary>What a DMA or a message came to.</summary>
    public RecordedOutcome? ExpectedOutcome { get; init; }

    /// <summary>The interrupts that a look at them found.</summary>
    public IReadOnlyList<RecordedInterrupt> ExpectedInterrupts { get; init; } = [];
}
