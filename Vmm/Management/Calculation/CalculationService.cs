using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>Calculation by the host: functions of the input and of nothing else.</summary>
internal sealed class CalculationService : IManagementService
{
    /// <inheritdoc/>
    public ManagementModes Mode => ManagementModes.Calculation;

    /// <inheritdoc/>
    public ManagementAnswer Serve(TakenRequest request)
    {
        ManagementResult read = request.TryRead(out byte[] input);
        if (read != ManagementResult.Done)
            return ManagementAnswer.Of(read);
        if (Calculate(request.Fields.Command, input) is not { } output)
            return ManagementAnswer.Of(ManagementResult.BadRequest);
        ManagementResult written = request.TryWrite(output);
        return written == ManagementResult.Done
            ? ManagementAnswer.Done with { Length = output.Length }
            : ManagementAnswer.Of(written) with { Value = (ulong)output.Length };
    }

    /// <inheritdoc/>
    public void Cancel(TakenRequest request)
    {
    }

    /// <inheritdoc/>
    public void End(ManagementPort port)
    {
    }

    // Null for what is no such function, or no input of it.
    private static byte[]? Calculate(ManagementCommand command, byte[] input) => command switch
    {
        ManagementCommand.Crc32C => Crc32C(input),
        ManagementCommand.Sha256 => SHA256.HashData(input),
        ManagementCommand.Sort when input.Length % sizeof(ulong) == 0 => Sort(input),
        _ => null,
    };

    private static byte[] Crc32C(byte[] input)
    {
        uint sum = uint.MaxValue;
        foreach (byte value in input)
            sum = BitOperations.Crc32C(sum, value);
        byte[] output = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(output, ~sum);
        return output;
    }

    private static byte[] Sort(byte[] input)
    {
        MemoryMarshal.Cast<byte, ulong>(input.AsSpan()).Sort();
        return input;
    }
}
