using System.Runtime.InteropServices;
using Dma.Hal.Spec;

namespace Dma.Drivers;

/// <summary>Calculation by the host.</summary>
/// <param name="driver">The driver, with <see cref="ManagementModes.Calculation"/> on.</param>
public sealed class ManagementCalculator(ManagementDriver driver)
{
    /// <summary>The CRC-32C of some bytes.</summary>
    /// <exception cref="DriverException">The host refuses.</exception>
    public async ValueTask<uint> Crc32C(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.Read<uint>((await Calculate(ManagementCommand.Crc32C, bytes, sizeof(uint))).Span);

    /// <summary>The SHA-256 of some bytes.</summary>
    /// <exception cref="DriverException">The host refuses.</exception>
    public ValueTask<ReadOnlyMemory<byte>> Sha256(ReadOnlyMemory<byte> bytes) => Calculate(ManagementCommand.Sha256, bytes, 32);

    /// <summary>Quadwords in ascending order.</summary>
    /// <param name="quadwords">Eight bytes each, little-endian.</param>
    /// <exception cref="DriverException">The host refuses.</exception>
    public ValueTask<ReadOnlyMemory<byte>> Sort(ReadOnlyMemory<byte> quadwords) => Calculate(ManagementCommand.Sort, quadwords, quadwords.Length);

    private async ValueTask<ReadOnlyMemory<byte>> Calculate(ManagementCommand command, ReadOnlyMemory<byte> input, int outputLength)
    {
        ManagementReply reply = await driver.Execute(new() { Command = command }, input, outputLength);
        return reply.Result == ManagementResult.Done
            ? reply.Output
            : throw new DriverException(DriverFailure.RequestRefused, $"The host does not calculate {command}: {reply.Result}.");
    }
}
