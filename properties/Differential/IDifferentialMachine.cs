using Dma.Machine;

namespace Dma.Properties;

/// <summary>A machine with a remapping unit and two devices, as the differential test drives it; there are ours and theirs.</summary>
internal interface IDifferentialMachine
{
    /// <summary>Its memory, as a processor sees it; all that was asked of the machine is done before.</summary>
    PhysicalMemory Memory { get; }

    /// <summary>Power-on state, and memory as <see cref="Ground.Image"/>.</summary>
    void Reset();

    /// <summary>Writes a quadword of memory, as a processor does.</summary>
    void Put(ulong address, ulong value);

    /// <summary>Reads registers of the unit.</summary>
    ulong[] ReadRegisters(params (int Offset, int Width)[] registers);

    /// <summary>Writes a register of the unit.</summary>
    void WriteRegister(int offset, int width, ulong value);

    /// <summary>A device reads.</summary>
    /// <param name="device">Which of <see cref="Ground.Devices"/>.</param>
    /// <param name="address">The address that it puts on the bus.</param>
    /// <param name="destination">What it got; zeros where it was refused.</param>
    void Read(int device, ulong address, Span<byte> destination);

    /// <summary>A device writes a part of <see cref="WritePattern"/>.</summary>
    /// <param name="device">Which of <see cref="Ground.Devices"/>.</param>
    /// <param name="address">The address that it puts on the bus.</param>
    /// <param name="patternOffset">Where the part begins.</param>
    /// <param name="length">How long it is.</param>
    void Write(int device, ulong address, int patternOffset, int length);
}

/// <summary>What devices write.</summary>
/// <remarks>
/// Bytes whose low three bits are clear: wherever a write strays into the interrupt range, it asks for an interrupt
/// of fixed delivery, which a halted processor ignores, and never for one that makes it run.
/// </remarks>
internal static class WritePattern
{
    /// <summary>How many bytes there are to choose from, and the longest transfer.</summary>
    public const int Length = 2000;

    public static byte[] Bytes { get; } = [.. Enumerable.Range(0, Length).Select(index => (byte)((((index * 37) + (index / 256 * 11)) & 31) << 3))];
}
