using System.Buffers.Text;

namespace Dma.Lab;

/// <summary>The commands that move bytes to and from physical addresses.</summary>
/// <param name="machine">Whose addresses.</param>
/// <param name="answer">Where the answers go.</param>
internal sealed class QtestMemory(ScriptedMachine machine, QtestAnswer answer)
{
    /// <summary>The most bytes that one command may carry, or may send to what is no memory.</summary>
    public const int BytesMax = 16 << 20;

    private const int PieceBytes = 64 * 1024;

    /// <summary><c>readb ADDR</c> and the wider ones.</summary>
    public void Load(ref QtestArguments arguments, int width)
    {
        ulong address = arguments.Number("ADDR", ulong.MaxValue - (ulong)(width - 1));
        if (arguments.AreGood(answer))
            answer.OkQuadword(machine.Load(address, width));
    }

    /// <summary><c>writeb ADDR VALUE</c> and the wider ones.</summary>
    public void Store(ref QtestArguments arguments, int width)
    {
        ulong address = arguments.Number("ADDR", ulong.MaxValue - (ulong)(width - 1));
        ulong value = arguments.Number("VALUE");
        if (!arguments.AreGood(answer))
            return;
        machine.Store(address, width, value);
        answer.Ok();
    }

    /// <summary><c>read ADDR SIZE</c>.</summary>
    public void Read(ref QtestArguments arguments)
    {
        if (TryRead(ref arguments, out byte[] bytes))
            answer.OkHex(bytes);
    }

    /// <summary><c>b64read ADDR SIZE</c>.</summary>
    public void ReadBase64(ref QtestArguments arguments)
    {
        if (TryRead(ref arguments, out byte[] bytes))
            answer.OkBase64(bytes);
    }

    /// <summary><c>write ADDR SIZE DATA</c>: what DATA does not have is zero, what it has beyond SIZE is left out.</summary>
    public void Write(ref QtestArguments arguments)
    {
        (ulong address, int size) = Range(ref arguments, BytesMax);
        ReadOnlySpan<byte> data = arguments.Word("DATA");
        byte[] bytes = new byte[size];
        if (!data.StartsWith("0x"u8) || data.Length < 4 || !TryDecode(data[2..], bytes))
            arguments.Refuse("DATA is no hexadecimal number of whole bytes");
        Write(ref arguments, address, bytes);
    }

    /// <summary><c>b64write ADDR SIZE DATA</c>: where the sizes differ, the smaller one counts.</summary>
    public void WriteBase64(ref QtestArguments arguments)
    {
        (ulong address, int size) = Range(ref arguments, BytesMax);
        ReadOnlySpan<byte> data = arguments.Word("DATA");
        byte[] bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(data.Length)];
        if (Base64.DecodeFromUtf8(data, bytes, out _, out int decoded) != System.Buffers.OperationStatus.Done)
            arguments.Refuse("DATA is not in base 64");
        Write(ref arguments, address, bytes.AsSpan(0, Math.Min(size, decoded)));
    }

    /// <summary><c>memset ADDR SIZE VALUE</c>.</summary>
    public void Fill(ref QtestArguments arguments)
    {
        ulong address = arguments.Number("ADDR");
        ulong size = arguments.Number("SIZE");
        ulong value = arguments.Number("VALUE");
        if (size > BytesMax && !(arguments.Problem is null && machine.Memory.IsBacked(new(address), size)))
            arguments.Refuse($"SIZE is more than {BytesMax} bytes, and not all of them are memory");
        else if (size != 0 && address > ulong.MaxValue - (size - 1))
            arguments.Refuse("the range leaves the address space");
        if (!arguments.AreGood(answer))
            return;
        byte[] piece = new byte[Math.Min(size, PieceBytes)];
        piece.AsSpan().Fill((byte)value);
        for (ulong done = 0; done < size; done += PieceBytes)
            machine.Write(address + done, piece.AsSpan(0, (int)Math.Min(PieceBytes, size - done)));
        answer.Ok();
    }

    private bool TryRead(ref QtestArguments arguments, out byte[] bytes)
    {
        (ulong address, int size) = Range(ref arguments, BytesMax);
        if (size == 0)
            arguments.Refuse("SIZE is zero");
        bytes = new byte[size];
        if (!arguments.AreGood(answer))
            return false;
        machine.Read(address, bytes);
        return true;
    }

    private void Write(ref QtestArguments arguments, ulong address, ReadOnlySpan<byte> bytes)
    {
        if (!arguments.AreGood(answer))
            return;
        machine.Write(address, bytes);
        answer.Ok();
    }

    // ADDR and SIZE; a size that may not be is taken as zero, and refused.
    private static (ulong Address, int Size) Range(ref QtestArguments arguments, ulong sizeMax)
    {
        ulong address = arguments.Number("ADDR");
        ulong size = arguments.Number("SIZE");
        if (size > sizeMax)
            arguments.Refuse($"SIZE is more than {sizeMax} bytes");
        else if (size != 0 && address > ulong.MaxValue - (size - 1))
            arguments.Refuse("the range leaves the address space");
        return (address, arguments.Problem is null ? (int)size : 0);
    }

    private static bool TryDecode(ReadOnlySpan<byte> digits, Span<byte> bytes)
    {
        if ((digits.Length & 1) != 0)
            return false;
        foreach (byte digit in digits)
        {
            if (!char.IsAsciiHexDigit((char)digit))
                return false;
        }

        int used = Math.Min(bytes.Length, digits.Length / 2);
        return used == 0 || Convert.FromHexString(digits[..(2 * used)], bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }
}
