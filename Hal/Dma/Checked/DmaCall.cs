using System.Diagnostics;

namespace Dma.Hal;

/// <summary>One call of the DMA API, or one access of memory: the how manieth, what, and from where.</summary>
/// <param name="Number">From 1, in the order of the calls.</param>
/// <param name="What">The call and its arguments.</param>
/// <param name="Caller">The type and method that made it; empty for a device.</param>
public sealed record DmaCall(int Number, string What, string Caller)
{
    /// <summary>One line.</summary>
    public override string ToString() => Caller.Length == 0 ? $"#{Number} {What}" : $"#{Number} {What} by {Caller}";

    /// <summary>The first method up the stack that is none of the HAL or of the runtime.</summary>
    internal static string FindCaller()
    {
        foreach (StackFrame frame in new StackTrace(1, fNeedFileInfo: false).GetFrames())
        {
            if (DiagnosticMethodInfo.Create(frame) is not { DeclaringTypeName: { } type } method
                || type.StartsWith("System.", StringComparison.Ordinal) || type.StartsWith("Dma.Hal.", StringComparison.Ordinal))
            {
                continue;
            }

            return Describe(type, method.Name);
        }

        return "unknown";
    }

    // An async method is a type of its own to the runtime, "Driver+<Read>d__7" with a method MoveNext; a lambda is "<Read>b__0".
    private static string Describe(string type, string method)
    {
        string[] types = type.Split('.')[^1].Split('+');
        string? inner = Between(method) ?? types.Select(Between).FirstOrDefault(name => name is not null);
        return $"{types[0]}.{inner ?? method}";
    }

    private static string? Between(string name)
    {
        int end = name.IndexOf('>', StringComparison.Ordinal);
        return name.StartsWith('<') && end > 1 ? name[1..end] : null;
    }
}
