using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Dma.Lab;

/// <summary>What goes back to a client: one line for each of its lines, and notifications between them.</summary>
internal sealed class QtestAnswer
{
    private const int ProblemMax = 200;
    private const int SmallBytes = 64 * 1024;

    private ArrayBufferWriter<byte> _bytes = new();
    private int _taken;

    /// <summary>What was not taken yet.</summary>
    public ReadOnlyMemory<byte> Pending => _bytes.WrittenMemory[_taken..];

    /// <summary>Says how many bytes of what is pending were taken.</summary>
    public void Take(int count)
    {
        _taken += count;
        if (_taken != _bytes.WrittenCount)
            return;
        _taken = 0;
        if (_bytes.Capacity <= SmallBytes)
            _bytes.ResetWrittenCount();
        else
            _bytes = new();
    }

    /// <summary>Done.</summary>
    public void Ok() => Line("OK");

    /// <summary>Done, with a word.</summary>
    public void Ok(string result) => Line("OK " + result);

    /// <summary>Done, with a time or another decimal number.</summary>
    public void OkDecimal(ulong value) => Ok(value.ToString(CultureInfo.InvariantCulture));

    /// <summary>Done, with what was read from memory.</summary>
    public void OkQuadword(ulong value) => Ok($"0x{value:x16}");

    /// <summary>Done, with what was read from a port.</summary>
    public void OkPort(uint value) => Ok($"0x{value:x4}");

    /// <summary>Done, with bytes as hexadecimal digits.</summary>
    public void OkHex(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write("OK 0x"u8);
        Span<byte> digits = _bytes.GetSpan(2 * bytes.Length);
        for (int at = 0; at < bytes.Length; at++)
        {
            digits[2 * at] = "0123456789abcdef"u8[bytes[at] >> 4];
            digits[(2 * at) + 1] = "0123456789abcdef"u8[bytes[at] & 15];
        }

        _bytes.Advance(2 * bytes.Length);
        _bytes.Write("\n"u8);
    }

    /// <summary>Done, with bytes in base 64.</summary>
    public void OkBase64(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write("OK "u8);
        Span<byte> text = _bytes.GetSpan(Base64.GetMaxEncodedToUtf8Length(bytes.Length));
        _ = Base64.EncodeToUtf8(bytes, text, out _, out int written);
        _bytes.Advance(written);
        _bytes.Write("\n"u8);
    }

    /// <summary>Not done.</summary>
    /// <param name="problem">Why; what it quotes of the client is made printable and short.</param>
    public void Fail(string problem)
    {
        char[] printable = [.. problem.Take(ProblemMax).Select(character => character is >= ' ' and <= '~' ? character : '?')];
        Line($"FAIL {new string(printable)}");
    }

    /// <summary>A wire changed.</summary>
    public void Interrupt(int pin, bool asserted) => Line($"IRQ {(asserted ? "raise" : "lower")} {pin}");

    private void Line(string text)
    {
        _ = Encoding.ASCII.GetBytes(text, _bytes);
        _bytes.Write("\n"u8);
    }
}
